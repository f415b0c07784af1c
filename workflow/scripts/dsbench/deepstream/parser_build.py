"""The C++ parser of a detector: its settings, its sources in the model's tree, its library, its exported symbol."""

import ctypes
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from dsbench.core.errors import BuildError
from dsbench.core.files import copy_whole, write_whole
from dsbench.core.secret_words import environment_without_tokens
from dsbench.families.family import Family, Setting


def settings_header(tensors: Mapping[str, str], settings: Mapping[str, Setting]) -> str:
    """Return the text of parser_settings.hpp: `kLogitsTensor` for the role logits, `kTopK` for the setting top_k."""
    constants = [f"constexpr char {_name(role)}Tensor[] = {_string(name)};" for role, name in tensors.items()]
    constants += [_constant(name, value) for name, value in settings.items()]
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


class ParserBuildError(BuildError):
    """A parser that did not compile or that nvinfer would not find."""


def write_parser_sources(
    family: Family,
    tensors: Mapping[str, str],
    settings: Mapping[str, Setting],
    sources: Path,
    destination: Path,
) -> list[Path]:
    """Write the family's parser, its settings, the shared headers and a Makefile for them into `destination`.

    `sources` is the project's folder of parsers; the family's own source is called parser.cpp in every model's
    tree, so that it is a target without knowing the family. `tensors` are the model's output names by role.
    Returns the files written; they build on their own.
    """
    written = []
    for name, copy in ((family.head.parser_source, SOURCE), *((header, header) for header in SHARED_HEADERS)):
        target = destination / copy
        target.parent.mkdir(parents=True, exist_ok=True)
        copy_whole(sources / name, target)
        written.append(target)
    write_whole(destination / SETTINGS, settings_header(tensors, settings))
    makefile = destination / "Makefile"
    template = (sources / "Makefile.template").read_text(encoding="utf-8")
    write_whole(makefile, template.replace("@SOURCE@", SOURCE).replace("@SYMBOL@", family.head.parser_symbol))
    return [*written, destination / SETTINGS, makefile]


def compile_parser(directory: Path, deepstream_dir: Path | None, object_bytes: int, log: Path) -> Path:
    """Build libparser.so in `directory` and return its path; the compiler's output goes to `log`.

    `object_bytes` is sizeof(NvDsInferObjectDetectionInfo): 28 from DeepStream 9 on, 24 before.
    `deepstream_dir` gives the headers of an installed DeepStream, None the project's own.
    """
    if object_bytes not in OBJECT_BYTES:
        raise ParserBuildError(f"object_bytes is {object_bytes}; DeepStream's detection object has 28 or 24.")
    for tool in ("make", "g++"):
        if shutil.which(tool) is None:
            raise ParserBuildError(f"{tool} is not on PATH; install it (Debian: apt-get install g++ make).")
    # --always-make: the object size and the headers are not files that make could compare.
    command = ["make", "--always-make", f"OBJECT_BYTES={object_bytes}", LIBRARY]
    if deepstream_dir is not None:
        command.insert(1, f"DEEPSTREAM_DIR={deepstream_dir}")
    library = directory / LIBRARY
    library.unlink(missing_ok=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
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
