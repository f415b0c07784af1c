"""trtexec command lines for the version of the tool that will run them, and the workspace its builder may take."""

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from dsbench.core.errors import MIB_BYTES, BuildError
from dsbench.machine.host import output_of
from dsbench.tools.run_samples import open_gpu

if TYPE_CHECKING:
    # Every dry run needs this module, and the inspection's own needs OpenCV.
    from dsbench.onnx.inspection import Inspection

# The first version with --skipInference, without which a build would measure too.
OLDEST = (8, 6)
# From here a network can be strongly typed, its precision that of the ONNX.
STRONGLY_TYPED_SINCE = (9, 0)
# From here there is nothing else: weak-typing flags are unknown options, and what is left out of a measurement
# (transfers, spin wait, CUDA graph) has other defaults.
STRONGLY_TYPED_ONLY = (11, 0)
# Up to here a suffix of --memPoolSize is ignored or wrong; from here "M" means MiB and "MiB" means bytes.
SUFFIX_SINCE = (10, 1)
# The other half is for weights, activations and the timing of tactics.
SHARE_OF_FREE = 0.5
NO_TF32 = "--noTF32"
LEAST_MIB = 256
# What nvidia-smi says of the memory of a GPU that has none of its own.
SHARES_MEMORY = ("[N/A]", "[Not Supported]", "N/A")


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
        return f"{self.input_name}:{self.dims(batch)}"

    def dims(self, batch: int) -> str:
        """Return `NxCxHxW`."""
        return "x".join(str(n) for n in (batch, *self.chw))


@dataclass(frozen=True)
class Precision:
    """What is asked of the builder: "fp16" or "fp32", whether the ONNX's own types say it, and whether TF32 may be
    taken for float32.
    """

    name: str
    strongly_typed: bool = False
    tf32: bool = True

    @property
    def needs_half_onnx(self) -> bool:
        """Return whether the ONNX itself has to be half precision."""
        return self.strongly_typed and self.name == "fp16"

    def stated(self) -> str:
        """Return what trtexec's Precision line has to say."""
        if self.strongly_typed:
            return "Strongly Typed"
        return "FP32+FP16" if self.name == "fp16" else "FP32"

    def is_stated_by(self, line: str) -> bool:
        """Return whether trtexec's Precision line says this; 9 and 10.0 say more than `Strongly Typed`."""
        return self.stated() in line if self.strongly_typed else self.stated() == line


def precision_for(version: tuple[int, ...], name: str, strongly_typed: bool, tf32: bool = True) -> Precision:
    """Return how the precision `name` is asked of this version; refuse strong typing where there is none."""
    if version >= STRONGLY_TYPED_ONLY:
        return Precision(name, strongly_typed=True, tf32=tf32)
    if strongly_typed and version < STRONGLY_TYPED_SINCE:
        raise BuildError(
            f"config: strongly_typed is true, but TensorRT {dotted(version)} has no --stronglyTyped, which came with"
            f" {dotted(STRONGLY_TYPED_SINCE)}; set it to false"
        )
    return Precision(name, strongly_typed, tf32)


def refuse_too_old(version: tuple[int, ...]) -> None:
    """Refuse a trtexec that lacks options every build needs."""
    if version < OLDEST:
        raise BuildError(
            f"trtexec is of TensorRT {dotted(version)}, which cannot build without measuring; put one of"
            f" {dotted(OLDEST)} or later first on PATH"
        )


def dotted(version: tuple[int, ...]) -> str:
    """Return a version as text."""
    return ".".join(map(str, version))


def build_command(
    program: str,
    version: tuple[int, ...],
    onnx: str,
    engine: str,
    timing_cache: str,
    profile: Profile,
    precision: Precision,
    workspace_mib: int,
    names_layers: bool = False,
) -> list[str]:
    """Return the command that builds `engine` (min 1, opt = max = MAX_BS) without measuring it.

    An engine that `names_layers` can tell later what each layer became.
    """
    suffix = "M" if version >= SUFFIX_SINCE else ""
    return [
        program,
        f"--onnx={onnx}",
        f"--saveEngine={engine}",
        *_shape_flags(profile),
        *_precision_flags(version, precision),
        f"--memPoolSize=workspace:{workspace_mib}{suffix}",
        f"--timingCacheFile={timing_cache}",
        *(["--profilingVerbosity=detailed"] if names_layers else []),
        "--skipInference",
    ]


def layer_info_command(program: str, engine: str, profile: Profile, layer_info: str) -> list[str]:
    """Return the command that writes to `layer_info` what each layer of `engine` became.

    It infers once: without an execution context TensorRT does not say the formats of dynamic shapes.
    """
    return [
        program,
        f"--loadEngine={engine}",
        *([] if profile.static else [f"--shapes={profile.shape(profile.max_batch)}"]),
        *("--iterations=1", "--duration=0", "--warmUp=0"),
        "--profilingVerbosity=detailed",
        f"--exportLayerInfo={layer_info}",
    ]


def outputs_command(
    program: str, engine: str, profile: Profile, batch: int, images: str, outputs: str
) -> list[str]:
    """Return the command that runs `engine` once on the float32 images of a file and writes its answers as JSON."""
    return [
        program,
        f"--loadEngine={engine}",
        *([] if profile.static else [f"--shapes={profile.shape(batch)}"]),
        *("--iterations=1", "--duration=0", "--warmUp=0"),
        f"--loadInputs={profile.input_name}:{images}",
        f"--exportOutput={outputs}",
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
    """Return the command that measures `engine` at `batch` as nvinfer would run it.

    That is without data transfers, spin wait and CUDA graph, whatever the version's defaults are.
    """
    off = ["--noSpinWait", "--noCudaGraph"] if version >= STRONGLY_TYPED_ONLY else ["--noDataTransfers"]
    return [
        program,
        f"--loadEngine={engine}",
        *([] if profile.static else [f"--shapes={profile.shape(batch)}"]),
        *off,
        f"--duration={duration_s:g}",
        f"--warmUp={warm_up_ms:g}",
        "--percentile=90,95,99",
    ]


def _shape_flags(profile: Profile) -> list[str]:
    if profile.static:
        return []
    largest = profile.shape(profile.max_batch)
    return [f"--minShapes={profile.shape(1)}", f"--optShapes={largest}", f"--maxShapes={largest}"]


def _precision_flags(version: tuple[int, ...], precision: Precision) -> list[str]:
    no_tf32 = [] if precision.tf32 else [NO_TF32]
    if precision.strongly_typed:
        # TensorRT 11 knows the flag as a deprecated one without effect.
        return [*(["--stronglyTyped"] if version < STRONGLY_TYPED_ONLY else []), *no_tf32]
    return [*([] if precision.name == "fp32" else [f"--{precision.name}"]), *no_tf32]


def profile_of(inspect: "Inspection", max_batch: int) -> Profile:
    """Return the profile for the ONNX whose inspection is `inspect`; H and W must be concrete there."""
    image = inspect.input
    match image.shape:
        case [_, int(channels), int(height), int(width)]:
            return Profile(image.name, (channels, height, width), max_batch, inspect.batch == "static")
    raise BuildError(f"input {image.name} has shape {image.shape}, H and W must be fixed")


def workspace_mib(configured: int | None) -> int:
    """Return the workspace in MiB: the number in the config, or half of what is free on the GPU."""
    if configured is not None:
        return configured
    free = free_gpu_memory_mib()
    if free is None:
        raise BuildError(
            "nvidia-smi does not say how much of the GPU's memory is free, so workspace_mib: null has no meaning;"
            " set workspace_mib.nvidia to a number of MiB"
        )
    share = int(free * SHARE_OF_FREE)
    if share < LEAST_MIB:
        raise BuildError(
            f"the GPU has {free} MiB free, half of which is less than the {LEAST_MIB} MiB of workspace a build needs;"
            " end what holds the memory (nvidia-smi shows it), or set workspace_mib.nvidia"
        )
    return share


def free_gpu_memory_mib() -> int | None:
    """Return the free memory in MiB of the first GPU that CUDA is allowed to see, None where nobody says.

    That of a MIG instance is NVML's, since nvidia-smi tells only of whole GPUs; that of a GPU without memory of its
    own (Jetson, GB10) is the host's.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0]
    if visible.startswith("MIG-"):
        instance = open_gpu()
        return None if instance is None else instance.free_memory_mib()
    chosen = ["-i", visible] if visible else []
    text = output_of(["nvidia-smi", *chosen, "--query-gpu=memory.free", "--format=csv,noheader,nounits"])
    if (text or "").startswith(SHARES_MEMORY):
        return psutil.virtual_memory().available // MIB_BYTES
    found = re.match(r"\s*(\d+)\s*$", (text or "").partition("\n")[0])
    return int(found[1]) if found else None
