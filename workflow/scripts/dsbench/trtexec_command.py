"""trtexec command lines for the version of the tool that will run them."""

from dataclasses import dataclass

from dsbench.errors import BuildError

# The first version that has strongly typed networks only; weak-typing flags are unknown options there.
STRONGLY_TYPED_ONLY = (11, 0)
# Up to here a suffix of --memPoolSize is ignored or wrong; from here "M" means MiB and "MiB" means bytes.
SUFFIX_SINCE = (10, 1)


@dataclass(frozen=True)
class Profile:
    """The optimization profile of one engine; `chw` is the image as (3, H, W).

    A static ONNX has its batch in itself and no profile: trtexec then refuses every shape option.
    """

    input_name: str
    chw: tuple[int, int, int]
    max_batch: int
    static: bool = False

    def shape(self, batch: int) -> str:
        """Return `name:NxCxHxW`, trtexec's notation."""
        return f"{self.input_name}:" + "x".join(str(n) for n in (batch, *self.chw))


def build_command(
    program: str,
    version: tuple[int, ...],
    onnx: str,
    engine: str,
    timing_cache: str,
    profile: Profile,
    precision: str,
    workspace_mib: int,
) -> list[str]:
    """Return the command that builds `engine` (min 1, opt = max = MAX_BS) without measuring it."""
    suffix = "M" if version >= SUFFIX_SINCE else ""
    return [
        program,
        f"--onnx={onnx}",
        f"--saveEngine={engine}",
        *_shape_flags(profile),
        *_precision_flags(version, precision),
        f"--memPoolSize=workspace:{workspace_mib}{suffix}",
        f"--timingCacheFile={timing_cache}",
        "--skipInference",
    ]


def benchmark_command(
    program: str,
    version: tuple[int, ...],
    engine: str,
    profile: Profile,
    batch: int,
    duration_s: float,
    warm_up_ms: float,
) -> list[str]:
    """Return the command that measures `engine` at `batch`, compute only (no data transfers)."""
    return [
        program,
        f"--loadEngine={engine}",
        *([] if profile.static else [f"--shapes={profile.shape(batch)}"]),
        *(["--noDataTransfers"] if version < STRONGLY_TYPED_ONLY else []),
        f"--duration={duration_s:g}",
        f"--warmUp={warm_up_ms:g}",
        "--percentile=90,95,99",
    ]


def _shape_flags(profile: Profile) -> list[str]:
    if profile.static:
        return []
    largest = profile.shape(profile.max_batch)
    return [f"--minShapes={profile.shape(1)}", f"--optShapes={largest}", f"--maxShapes={largest}"]


def _precision_flags(version: tuple[int, ...], precision: str) -> list[str]:
    if precision == "fp32":
        return []
    if version >= STRONGLY_TYPED_ONLY:
        raise BuildError(
            f"TensorRT {'.'.join(map(str, version))} has no --{precision}: its precision comes from the ONNX;"
            " set precision: fp32 in the config, or use TensorRT 10"
        )
    return [f"--{precision}"]


def profile_of(inspect: dict, max_batch: int) -> Profile:
    """Return the profile for the ONNX whose inspection is `inspect`; H and W must be concrete there."""
    _, *chw = inspect["input"]["shape"]
    if not all(isinstance(n, int) for n in chw):
        raise BuildError(
            f"input {inspect['input']['name']} has shape {inspect['input']['shape']}, H and W must be fixed"
        )
    return Profile(inspect["input"]["name"], tuple(chw), max_batch, inspect.get("batch") == "static")
