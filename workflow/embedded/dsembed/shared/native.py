"""The C++ host: compiled once for this machine, then called without the interpreter lock."""

import ctypes
import hashlib
import os
import shlex
import shutil
import subprocess
from ctypes import POINTER, Structure, c_char_p, c_float, c_int32, c_uint32, c_uint64, c_void_p
from pathlib import Path

from dsembed.shared.cpu import this_cpu

REPOSITORY = Path(__file__).resolve().parents[4]
HOST_DIR = REPOSITORY / "workflow" / "embedded" / "host"
PARSER_INCLUDE_DIR = REPOSITORY / "workflow" / "parsers" / "include"
BUILD_DIR = REPOSITORY / "build" / "embedded"
# No contraction: post-processing has to round like nvinfer's float32, operation by operation.
CXX_FLAGS = (
    *("-std=c++17", "-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off"),
    *("-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-fvisibility=hidden"),
)
ERROR_BYTES = 1024


class HostError(Exception):
    """The C++ host cannot be built, or a parser cannot be loaded or used."""


class Frame(Structure):
    """One decoded 4:2:0 picture; see interface.hpp for all structs here."""

    _fields_ = (
        [(name, c_void_p) for name in ("luma", "cb", "cr")]
        + [(name, c_int32) for name in ("luma_stride", "chroma_stride", "chroma_step", "width", "height")]
        + [(name, c_int32) for name in ("bt709", "full_range")]
    )


class Mux(Structure):
    """The surface that metadata refers to, in pixels."""

    _fields_ = [(name, c_int32) for name in ("width", "height", "enable_padding")]


class Network(Structure):
    """The network input and where the picture lies in it."""

    _fields_ = [
        *[(name, c_int32) for name in ("width", "height", "picture_width", "picture_height")],
        *[(name, c_int32) for name in ("picture_left", "picture_top", "bgr", "scaling_filter")],
        ("scale_factor", c_float),
        ("offsets", c_float * 3),
    ]


class Layer(Structure):
    """One output tensor without its batch dimension."""

    _fields_ = [
        ("name", c_char_p),
        ("data_type", c_int32),
        ("dim_count", c_int32),
        ("dims", c_uint32 * 8),
        ("frame_bytes", c_uint64),
    ]


class ClassRules(Structure):
    """The [class-attrs-N] of one class."""

    _fields_ = [
        *[(f"{name}_threshold", c_float) for name in ("pre_cluster", "post_cluster", "nms_iou")],
        ("top_k", c_int32),
        *[(name, c_float) for name in ("roi_top_offset", "roi_bottom_offset")],
        *[(name, c_float) for name in ("min_width", "min_height", "max_width", "max_height")],
        ("filtered_out", c_int32),
    ]


def load_host() -> ctypes.CDLL:
    """Return the compiled host, building it on first use; raises HostError naming what is missing."""
    library = ctypes.CDLL(str(_compiled()))
    library.dsembed_prepare.argtypes = [POINTER(Frame), POINTER(Mux), POINTER(Network), c_void_p]
    library.dsembed_prepare.restype = c_int32
    # The hints of ctypes ask for a check that returns a value; what this one raises is all.
    library.dsembed_prepare.errcheck = _check_prepared  # type: ignore[assignment]
    library.dsembed_detector_new.argtypes = [
        c_char_p,
        c_char_p,
        POINTER(Mux),
        POINTER(Network),
        POINTER(Layer),
        c_int32,
        POINTER(ClassRules),
        c_int32,
        c_int32,
        c_char_p,
        c_int32,
    ]
    library.dsembed_detector_new.restype = c_void_p
    library.dsembed_detector_run.argtypes = [
        c_void_p,
        POINTER(c_void_p),
        c_int32,
        POINTER(c_int32),
        c_char_p,
        c_int32,
    ]
    library.dsembed_detector_run.restype = c_void_p
    library.dsembed_detector_delete.argtypes = [c_void_p]
    library.dsembed_detector_delete.restype = None
    return library


def _check_prepared(prepared: int, *_: object) -> None:
    if not prepared:
        raise HostError("the C++ host has no memory for a mux surface of this size")


def _compiled() -> Path:
    try:
        compiler = shlex.split(os.environ.get("CXX", "")) or ["g++" if shutil.which("g++") else "c++"]
    except ValueError as error:
        raise HostError(f"CXX={os.environ['CXX']}: {error}, set it to a command line") from error
    if not shutil.which(compiler[0]):
        raise HostError(f"no C++ compiler found ({compiler[0]}): install g++ or set CXX")
    sources = sorted(HOST_DIR.glob("*.cpp"))
    library = BUILD_DIR / f"dsembed_host_{_fingerprint(compiler, sources)}.so"
    if not library.is_file():
        _compile(compiler, sources, library)
    return library


def _fingerprint(compiler: list[str], sources: list[Path]) -> str:
    # -march=native ties the library to the CPU, so a build folder shared by two machines holds two of them.
    cpu = this_cpu()
    facts = hashlib.sha256(repr((compiler, CXX_FLAGS, cpu.vendor, cpu.family, cpu.model, cpu.isa)).encode())
    headers = sorted([*HOST_DIR.glob("*.hpp"), *PARSER_INCLUDE_DIR.glob("*.h")])
    for path in (*sources, *headers):
        facts.update(path.name.encode() + path.read_bytes())
    return facts.hexdigest()[:16]


def _compile(compiler: list[str], sources: list[Path], library: Path) -> None:
    scratch = library.with_suffix(f".{os.getpid()}.tmp")
    command = [
        *compiler,
        *CXX_FLAGS,
        f"-I{PARSER_INCLUDE_DIR}",
        "-o",
        str(scratch),
        *map(str, sources),
        "-ldl",
    ]
    try:
        library.parent.mkdir(parents=True, exist_ok=True)
        # Its own session: a Ctrl-C ends the program once it has started, not the compiler beneath it.
        outcome = subprocess.run(command, capture_output=True, text=True, check=False, start_new_session=True)
        if outcome.returncode != 0:
            raise HostError(f"{' '.join(command)} exited {outcome.returncode}:\n{outcome.stderr.strip()}")
        os.replace(scratch, library)
    except OSError as error:
        raise HostError(f"{library}: {error.strerror}, the C++ host is compiled there") from error
    finally:
        scratch.unlink(missing_ok=True)
