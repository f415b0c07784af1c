"""Step 0: a table of what is installed, and a stop when something the build cannot do without is missing."""

from pathlib import Path

from dsbench.core.errors import BuildError
from dsbench.core.files import write_whole
from dsbench.machine.toolchain import DeepStream, Trtexec, read_fact, read_facts

APT = "Debian/Ubuntu: apt-get install"
# How to get what may be missing; the first group stops the build, the second only costs the video.
REQUIRED = {
    "trtexec": "trtexec answers neither by its libnvinfer nor by `trtexec --help`; repair or remove it from PATH",
    "deepstream": "DeepStream's version is unknown; set deepstream.directory in the config to its folder",
    "compiler": f"{APT} g++ make",
    "wkhtmltopdf": f"{APT} wkhtmltopdf",
    "driver": "install NVIDIA's driver",
    "cuda": "install NVIDIA's driver, which brings CUDA's user-mode part",
    "gpu": "run on a machine with an NVIDIA GPU that CUDA_VISIBLE_DEVICES names, or set runtime: embedded",
}
# NVIDIA's Linux for Jetson has it.
TEGRA = Path("/etc/nv_tegra_release")
OPTIONAL = {"encoder": f"{APT} gstreamer1.0-tools gstreamer1.0-plugins-base (there will be no video)"}


def check_toolchain(facts: list[Path], video: str, destination: Path) -> None:
    """Write the table of `facts` to `destination`; raise BuildError naming every required tool that is missing."""
    found = read_facts(facts)
    rows = [f"| {name} | {_cell(name, value)} |" for name, value in found.items()]
    table = "\n".join(["| Tool | Found |", "|---|---|", *rows, f"| video | {video} |"])
    if "driver" in found and found["driver"] is None and TEGRA.is_file():
        raise BuildError(
            f"{TEGRA}: this is a Jetson whose nvidia-smi does not answer, and without it nobody says which driver and"
            " GPU a number is of; use JetPack 6 or later, which has one, or set runtime: embedded"
        )
    missing = [
        f"{name} ({REQUIRED[name]})" for name, value in found.items() if value is None and name in REQUIRED
    ]
    if missing:
        raise BuildError(f"this machine lacks {'; '.join(missing)}.\n{table}")
    refuse_two_tensorrts(found["trtexec"], found["deepstream"])
    write_whole(destination, f"{table}\n")


def refuse_vanished(fact: str, value: object, recorded: Path) -> None:
    """Refuse to record that a required tool is gone where it was `recorded`: found again, all would be rebuilt."""
    if value is not None or fact not in REQUIRED or not recorded.is_file():
        return
    before = read_fact(recorded)
    if before is not None:
        raise BuildError(
            f"{recorded}: {fact} was {_cell(fact, before)}, now nothing answers ({REQUIRED[fact]}); once it answers"
            " again nothing is rebuilt. If it is gone for good, delete that file"
        )


def refuse_two_tensorrts(trtexec: Trtexec | None, deepstream: DeepStream | None) -> None:
    """Refuse an engine builder of another TensorRT than DeepStream's, which would rebuild the engine in silence.

    Where DeepStream names major and minor only, these are compared.
    """
    builder = (trtexec or {}).get("version")
    loader = (deepstream or {}).get("tensorrt")
    if (
        builder
        and loader
        and any(a != b for a, b in zip(builder.split("."), loader.split("."), strict=False))
    ):
        raise BuildError(
            f"trtexec is of TensorRT {builder}, DeepStream loads TensorRT {loader}; put the trtexec that came with"
            " DeepStream's TensorRT first on PATH"
        )


def _cell(name: str, value) -> str:
    if value is None:
        return f"missing: {REQUIRED.get(name, 'not needed by this runtime')}"
    if name == "encoder" and value["encoder"] == "skipped":
        return f"missing: {OPTIONAL[name]}"
    text = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else str(value)
    return text.replace("|", "/").replace("\n", " ")
