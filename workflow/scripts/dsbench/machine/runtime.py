"""Which runtime a build uses, NVIDIA's programs or the embedded ones, and which encoder makes its video."""

import re
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypedDict

from dsbench.core.errors import BuildError
from dsbench.machine.host import GSTREAMER_TIMEOUT_S, ProbeTimeoutError, output_of

PROGRAMS = ("trtexec", "deepstream-app")
# Where Debian's package and NVIDIA's container put trtexec, without a word to PATH.
TENSORRT_PROGRAMS = Path("/usr/src/tensorrt/bin")
EMBEDDED_PROGRAMS, EMBEDDED_DECODER = "workflow/embedded/bin", "decode-streams"
NVENC, THEORA, NONE = "nvv4l2h264enc", "theoraenc-fallback", "skipped"
SUFFIXES = {NVENC: "mp4", THEORA: "ogv"}
EMBEDDED_ELEMENTS = ("fdsrc", "rawvideoparse", "theoraenc", "oggmux", "filesink")
NVIDIA_ELEMENTS = ("uridecodebin", "nvvideoconvert", "nvstreammux", "nvinfer", "nvdsosd", "filesink")
NVENC_ELEMENTS = ("nvv4l2h264enc", "h264parse", "mp4mux")
THEORA_ELEMENTS = ("theoraenc", "oggmux")
# NVIDIA's plugins are of version 1.14, and without a version gst-inspect asks for GStreamer's own.
EXISTS = ("gst-inspect-1.0", "--exists", "--atleast-version=0.0")
# The element exists on GPUs that have no encoder, H100 among them; only an encoded frame tells.
OPEN_NVENC = [
    *("gst-launch-1.0", "-q", "videotestsrc", "num-buffers=8", "!", "video/x-raw,width=320,height=240"),
    *(
        "!",
        "nvvideoconvert",
        "!",
        "video/x-raw(memory:NVMM),format=I420",
        "!",
        "nvv4l2h264enc",
        "!",
        "fakesink",
    ),
]


@dataclass(frozen=True)
class Runtime:
    """The programs of one runtime; `kind` is "nvidia" or "embedded".

    `decoder` decodes streams and does nothing else; NVIDIA's is an element of GStreamer.
    """

    kind: str
    trtexec: str
    deepstream_app: str
    decoder: str | None = None


def choose_runtime(wanted: str, project: Path) -> Runtime:
    """Return the runtime for the config's `runtime`: auto takes NVIDIA's when both programs are there.

    Refuses half of NVIDIA's programs where nobody chose: the figures would be a CPU's for want of one path.
    """
    missing = [name for name in PROGRAMS if _found(name) is None]
    if missing and (wanted == "nvidia" or (wanted == "auto" and len(missing) < len(PROGRAMS))):
        present = "".join(f" and {name} is there" for name in PROGRAMS if name not in missing)
        searched = f" and not in {TENSORRT_PROGRAMS}" if "trtexec" in missing else ""
        raise BuildError(
            f"config: runtime is {wanted}{present}, but {' and '.join(missing)} is not on PATH{searched};"
            " install it or add its folder to PATH, or set runtime: embedded"
        )
    return runtime_of("nvidia" if wanted != "embedded" and not missing else "embedded", project)


def _found(name: str) -> str | None:
    """Return how `name` is started: by its name where it is on PATH, else by its path in TensorRT's own folder."""
    if shutil.which(name) is not None:
        return name
    return shutil.which(name, path=str(TENSORRT_PROGRAMS)) if name == "trtexec" else None


def unused_gpu(runtime: Runtime, driver: str | None) -> str | None:
    """Return a sentence where the machine has a GPU's `driver` and the runtime uses none, else None."""
    if runtime.kind == "nvidia" or driver is None:
        return None
    return (
        f"This machine has an NVIDIA GPU (driver {driver}), which this build does not use: the embedded runtime"
        " measures the CPU. Put trtexec and deepstream-app on PATH, or leave runtime: embedded out, to measure the GPU."
    )


def runtime_of(kind: str, project: Path) -> Runtime:
    """Return the runtime of this `kind`, whether or not its programs are on the machine that asks."""
    if kind == "nvidia":
        return Runtime("nvidia", *(_found(name) or name for name in PROGRAMS))
    folder = project / EMBEDDED_PROGRAMS
    return Runtime("embedded", *(str(folder / name) for name in (*PROGRAMS, EMBEDDED_DECODER)))


class Encoder(TypedDict):
    """GStreamer's version, None where it is absent, and the marker of the encoder."""

    gstreamer: str | None
    encoder: str


@cache
def encoder(runtime_kind: str) -> Encoder:
    """Return GStreamer's version and the marker of the encoder the video of this runtime will use."""
    # The first call looks at every plugin; the others find what it wrote down.
    version = re.search(
        r"version (\S+)", output_of(["gst-launch-1.0", "--version"], GSTREAMER_TIMEOUT_S) or ""
    )
    return {
        "gstreamer": version[1] if version else None,
        "encoder": _usable(runtime_kind) if version else NONE,
    }


def _usable(runtime_kind: str) -> str:
    if runtime_kind == "embedded":
        return THEORA if _exist(EMBEDDED_ELEMENTS) else NONE
    if not _exist(NVIDIA_ELEMENTS):
        return NONE
    if _exist(NVENC_ELEMENTS) and _encodes():
        return NVENC
    return THEORA if _exist(THEORA_ELEMENTS) else NONE


def _encodes() -> bool:
    """Return whether NVENC encodes a few frames; one that hangs is told of and not used."""
    try:
        return output_of(OPEN_NVENC) is not None
    except ProbeTimeoutError as error:
        print(f"nvv4l2h264enc is not used. {error}", file=sys.stderr, flush=True)
        return False


def _exist(elements: tuple[str, ...]) -> bool:
    with ThreadPoolExecutor(len(elements)) as pool:
        found = list(pool.map(lambda element: output_of([*EXISTS, element], GSTREAMER_TIMEOUT_S), elements))
    return None not in found
