"""The C++ parser of a detector: its settings, its sources in the model's tree, its library, its exported symbol."""

import ctypes
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dsbench.core.errors import BuildError
from dsbench.core.files import copy_whole, write_whole
from dsbench.core.secret_words import environment_without_tokens
from dsbench.families.family import NO_SHIFT, WHOLE_NETWORK, Edges, Family, Setting, Shift

# What makes the DAG loads this module, and no OpenCV.
if TYPE_CHECKING:
    from dsbench.pixels.preprocessing import Preprocessing


@dataclass(frozen=True)
class Resized:
    """A model whose ONNX resizes itself: its network's size, and how many of nvinfer's pixels one of its own is."""

    width: int
    height: int
    scale_x: float
    scale_y: float

    @classmethod
    def of(cls, preprocessing: "Preprocessing") -> "Resized | None":
        """Return what a preprocessing says; None where nvinfer resizes."""
        if (graph := preprocessing.in_graph) is None:
            return None
        _, _, columns, rows = graph.picture
        return cls(graph.width, graph.height, preprocessing.width / columns, preprocessing.height / rows)


PICTURE_EDGES = ("picture_left", "picture_top", "picture_right", "picture_bottom")


def settings_header(
    tensors: Mapping[str, str],
    settings: Mapping[str, Setting],
    shift: Shift = NO_SHIFT,
    edges: Edges = WHOLE_NETWORK,
    resized: Resized | None = None,
) -> str:
    """Return the text of parser_settings.hpp: `kLogitsTensor` for the role logits, `kTopK` for the setting top_k.

    `kShiftX` and `kShiftY` are what the parser takes off its boxes, `kPictureLeft` and the like where it cuts them off.
    `resized` is what brings boxes from the model's own network to nvinfer's, None where they are one.
    """
    constants = [f"constexpr char {_name(role)}Tensor[] = {_string(name)};" for role, name in tensors.items()]
    own = resized or Resized(0, 0, 1.0, 1.0)
    origin = edges[:2] if resized else (0.0, 0.0)
    place = {
        **{"shift_x": shift[0], "shift_y": shift[1], **dict(zip(PICTURE_EDGES, edges, strict=True))},
        **{
            "origin_x": origin[0],
            "origin_y": origin[1],
            "frame_scale_x": own.scale_x,
            "frame_scale_y": own.scale_y,
        },
    }
    numbers: dict[str, Setting] = {name: float(value) for name, value in place.items()}
    numbers |= {"model_width": own.width, "model_height": own.height}
    constants += [_constant(name, value) for name, value in {**settings, **numbers}.items()]
    return "\n".join(
        [
            "// Written by the build from the model's ONNX and its family.",
            "#pragma once",
            "",
            "namespace parser_settings {",
            "",
            *constants,
            "",
            "}  // namespace parser_settings",
            "",
        ]
    )


def _name(words: str) -> str:
    return "k" + "".join(word.capitalize() for word in words.split("_"))


def _constant(name: str, value: Setting) -> str:
    if isinstance(value, bool):
        return f"constexpr bool {_name(name)} = {str(value).lower()};"
    if isinstance(value, int):
        return f"constexpr int {_name(name)} = {value};"
    if isinstance(value, float):
        return f"constexpr float {_name(name)} = {float(value).hex()}F;"
    return f"constexpr char {_name(name)}[] = {_string(value)};"


def _string(text: str) -> str:
    """Return a C++ string literal; names come from models, so every byte but the plain ones is escaped.

    An octal escape has at most three digits, so what follows it never belongs to it.
    """
    plain = set(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./: ")
    return '"' + "".join(chr(b) if b in plain else f"\\{b:03o}" for b in text.encode()) + '"'


LIBRARY = "libparser.so"
SOURCE = "parser.cpp"
SETTINGS = "parser_settings.hpp"
SHARED_HEADERS = (
    "anchors.hpp",
    "detection_parser.hpp",
    "final_boxes.hpp",
    "grid.hpp",
    "output_tensors.hpp",
    "queries.hpp",
    "thresholds.hpp",
    "include/nvdsinfer.h",
    "include/nvdsinfer_custom_impl.h",
)
OBJECT_BYTES = (28, 24)
MISSING_CUDA = re.compile(r"fatal error: (cuda\w*\.h): No such file")


class ParserBuildError(BuildError):
    """A parser that did not compile or that nvinfer would not find."""


def write_parser_sources(
    family: Family,
    tensors: Mapping[str, str],
    settings: Mapping[str, Setting],
    sources: Path,
    destination: Path,
    shift: Shift = NO_SHIFT,
    edges: Edges = WHOLE_NETWORK,
    resized: Resized | None = None,
) -> list[Path]:
    """Write the family's parser, its settings, the shared headers and a Makefile for them into `destination`.

    `sources` is the project's folder of parsers; the family's own source is called parser.cpp in every model's
    tree, so that it is a target without knowing the family. `tensors` are the model's output names by role, `shift`
    is how far nvinfer's scaling moves the picture, whose `edges` end the boxes; `resized` is as for
    settings_header. Returns the files written; they build on their own.
    """
    written = []
    for name, copy in ((family.head.parser_source, SOURCE), *((header, header) for header in SHARED_HEADERS)):
        target = destination / copy
        target.parent.mkdir(parents=True, exist_ok=True)
        copy_whole(sources / name, target)
        written.append(target)
    write_whole(destination / SETTINGS, settings_header(tensors, settings, shift, edges, resized))
    makefile = destination / "Makefile"
    template = (sources / "Makefile.template").read_text(encoding="utf-8")
    write_whole(makefile, template.replace("@SOURCE@", SOURCE).replace("@SYMBOL@", family.head.parser_symbol))
    return [*written, destination / SETTINGS, makefile]


def compile_parser(directory: Path, deepstream_dir: Path | None, object_bytes: int, log: Path) -> Path:
    """Build libparser.so in `directory` and return its path; the compiler's output goes to `log`.

    `object_bytes` is sizeof(NvDsInferObjectDetectionInfo): 28 from DeepStream 9 on, 24 before.
    `deepstream_dir` gives the headers of an installed DeepStream, None the project's own. They declare the same
    interface, and serve too where DeepStream's ask for headers of CUDA that its runtime images do not have.
    """
    if object_bytes not in OBJECT_BYTES:
        raise ParserBuildError(f"object_bytes is {object_bytes}; DeepStream's detection object has 28 or 24.")
    for tool in ("make", "g++"):
        if shutil.which(tool) is None:
            raise ParserBuildError(f"{tool} is not on PATH; install it (Debian: apt-get install g++ make).")
    lacking = None if deepstream_dir is None else _lacking_cuda_header(deepstream_dir)
    if lacking is not None:
        deepstream_dir = None
    # --always-make: the object size and the headers are not files that make could compare.
    command = ["make", "--always-make", f"OBJECT_BYTES={object_bytes}", LIBRARY]
    if deepstream_dir is not None:
        command.insert(1, f"DEEPSTREAM_DIR={deepstream_dir}")
    library = directory / LIBRARY
    library.unlink(missing_ok=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        if lacking is not None:
            note = f"DeepStream's headers ask for CUDA's {lacking}, which is not here: the project's own are taken.\n"
            output.write(note.encode())
            output.flush()
        status = subprocess.run(
            command,
            cwd=directory,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment_without_tokens(),
            check=False,
        )
    if status.returncode != 0 or not library.is_file():
        raise ParserBuildError(
            f"{directory}: make exited with {status.returncode} and built no {LIBRARY}; "
            f"the compiler's words are in {log}."
        )
    return library


def _lacking_cuda_header(deepstream_dir: Path) -> str | None:
    """Return the header of CUDA that DeepStream's headers ask for and the compiler does not find, None for none."""
    cuda = os.environ.get("CUDA_DIR", "/usr/local/cuda")
    includes = deepstream_dir / "sources/includes"
    command = ["g++", "-E", "-x", "c++", "-isystem", str(includes), "-isystem", f"{cuda}/include"]
    found = subprocess.run(
        [*command, str(includes / "nvdsinfer_custom_impl.h")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        check=False,
        env=os.environ | {"LC_ALL": "C"},
    )
    missing = MISSING_CUDA.search(found.stderr)
    return missing[1] if missing else None


def check_symbol(library: Path, symbol: str) -> None:
    """Raise ParserBuildError unless `library` loads and exports `symbol`, as nvinfer asks."""
    try:
        loaded = ctypes.CDLL(str(library.resolve()))
    except OSError as error:
        raise ParserBuildError(f"{library}: nvinfer could not load it ({error}); build it again.") from error
    if not hasattr(loaded, symbol):
        raise ParserBuildError(
            f"{library}: exports no {symbol}, so nvinfer would refuse parse-bbox-func-name; build it again."
        )
