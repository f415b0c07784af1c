"""Step 0: a table of what is installed, and a stop when something the build cannot do without is missing."""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from dsbench.core.errors import BuildError, without_controls
from dsbench.core.files import write_whole
from dsbench.machine.runtime import NONE, NVENC, THEORA
from dsbench.machine.toolchain import DeepStream, Trtexec, read_fact, read_facts

# NVIDIA's Linux for Jetson has it.
TEGRA = Path("/etc/nv_tegra_release")
DRIVER_PAGE = "NVIDIA's driver: https://www.nvidia.com/drivers"
LONGEST_FOUND = 70
# What is found where a fact is the word of the contract.
ENCODERS = {NVENC: "nvv4l2h264enc", THEORA: "theoraenc and oggmux"}
OWN_PROGRAM = "embedded_sources_sha256"
BOLD, RED, YELLOW, GREEN, PLAIN = "\033[1m", "\033[31m", "\033[33m", "\033[32m", "\033[0m"


@dataclass(frozen=True)
class ToolNeed:
    """What the build needs of a tool, and how this machine gets it: `packages` of Debian, else words in `get`."""

    needed: str
    get: str = ""
    packages: str = ""
    is_required: bool = True

    def how(self) -> str:
        """Return the command that installs the packages here, or what to do instead."""
        if not self.packages:
            return self.get
        if shutil.which("apt-get") is None:
            return f"install what Debian and Ubuntu call {self.packages}"
        return f"{'' if os.geteuid() == 0 else 'sudo '}apt-get install {self.packages}"


NEEDS = {
    "trtexec": ToolNeed(
        "of TensorRT 8.6 or newer, the same as DeepStream's",
        "trtexec answers neither by its libnvinfer nor by `trtexec --help`; remove it from PATH, or repair TensorRT:"
        " https://developer.nvidia.com/tensorrt",
    ),
    "deepstream": ToolNeed(
        "6.4 or newer",
        "set deepstream.directory in the config to DeepStream's folder, or install it:"
        " https://developer.nvidia.com/deepstream-sdk",
    ),
    "driver": ToolNeed("one that nvidia-smi names", DRIVER_PAGE),
    "cuda": ToolNeed("the driver's own", f"CUDA's user-mode part comes with {DRIVER_PAGE}"),
    "gpu": ToolNeed(
        "one NVIDIA GPU",
        "run on a machine with an NVIDIA GPU that CUDA_VISIBLE_DEVICES names, or set runtime: embedded",
    ),
    "compiler": ToolNeed("g++ and make", packages="g++ make"),
    "wkhtmltopdf": ToolNeed(
        "for the PDF; without it `all` makes none, and a call that names one needs --keep-going to make the rest",
        packages="wkhtmltopdf",
        is_required=False,
    ),
    "encoder": ToolNeed(
        "for the video, which is left out without",
        packages="gstreamer1.0-tools gstreamer1.0-plugins-base",
        is_required=False,
    ),
}


@dataclass(frozen=True)
class ToolRow:
    """A row of the table: `found` is None where the tool is missing, `get` then says how to get it."""

    tool: str
    found: str | None
    needed: str
    get: str
    is_required: bool


def tool_rows(found: Mapping[str, Any], video: str) -> list[ToolRow]:
    """Return a row for each of the `found` facts of the toolchain, by name, and one for the clip."""
    rows = []
    for name, value in found.items():
        need, words = NEEDS.get(name, ToolNeed("", is_required=False)), _in_words(name, value)
        get = "" if words is not None else need.how() or "not needed by this runtime"
        # What is asked of NVIDIA's program is not asked of the project's own.
        needed = "" if isinstance(value, dict) and OWN_PROGRAM in value else need.needed
        rows.append(ToolRow(name, words, needed, get, need.is_required))
    return [*rows, ToolRow("video", _shown(video), "a clip to play", "", True)]


def markdown_table(rows: Sequence[ToolRow]) -> str:
    """Return the rows as a Markdown table; text of a tool cannot break it."""
    cells = [(row.tool, row.found or "**missing**", row.needed, row.get) for row in rows]
    lines = [("Tool", "Found", "Needed", "How to get it"), ("---",) * 4, *cells]
    return "".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |\n" for line in lines)


def terminal_table(rows: Sequence[ToolRow], is_coloured: bool) -> str:
    """Return the rows in columns; below each missing tool stands how to get it."""
    head = ToolRow("TOOL", "FOUND", "NEEDED", "", False)
    widths = [max(len(cell) for cell in column) for column in zip(*map(_cells, (head, *rows)), strict=True)]
    lines = []
    for row in (head, *rows):
        tool, found, needed = (cell.ljust(width) for cell, width in zip(_cells(row), widths, strict=True))
        colour = BOLD if row is head else _colour(row)
        lines.append(f"{tool}  {f'{colour}{found}{PLAIN}' if is_coloured else found}  {needed}".rstrip())
        lines += [f"  get it: {row.get}"] if row.get else []
    return "\n".join(lines) + "\n"


def _cells(row: ToolRow) -> tuple[str, str, str]:
    return row.tool, row.found or "missing", row.needed


def _colour(row: ToolRow) -> str:
    if row.found is not None:
        return GREEN
    return RED if row.is_required else YELLOW


def wants_colour(stream: TextIO) -> bool:
    """Return whether `stream` is a terminal of a user who did not switch colour off (NO_COLOR)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def refuse_missing(found: Mapping[str, Any], rows: Sequence[ToolRow], table: str = "") -> None:
    """Raise BuildError, with the `table` below it, naming every required tool that is missing."""
    if "driver" in found and found["driver"] is None and TEGRA.is_file():
        raise BuildError(
            f"{TEGRA}: this is a Jetson whose nvidia-smi does not answer, and without it nobody says which driver and"
            " GPU a number is of; use JetPack 6 or later, which has one, or set runtime: embedded"
        )
    missing = [f"{row.tool} ({row.get})" for row in rows if row.found is None and row.is_required]
    if missing:
        raise BuildError(f"this machine lacks {'; '.join(missing)}.{f'{chr(10)}{table}' if table else ''}")
    refuse_two_tensorrts(found.get("trtexec"), found.get("deepstream"))


def check_toolchain(facts: list[Path], video: str, destination: Path) -> list[str]:
    """Write the table of `facts` to `destination`; return a sentence for each tool that only a part lacks.

    Raises BuildError naming every required tool that is missing.
    """
    found = read_facts(facts)
    rows = tool_rows(found, video)
    refuse_missing(found, rows, markdown_table(rows))
    write_whole(destination, markdown_table(rows))
    lacking = [row for row in rows if row.found is None and row.needed]
    return [f"{row.tool} is missing ({row.needed}); get it: {row.get}" for row in lacking]


def refuse_vanished(fact: str, value: object, recorded: Path) -> None:
    """Refuse to record None, a tool that is gone, where the tool was `recorded`: found again, all would be rebuilt.

    What was made with it would be lost, too, as a PDF. The encoder's fact is never None: whether there is one decides
    which video is made, and a build without any is as good.
    """
    need = NEEDS.get(fact)
    if value is not None or need is None or not recorded.is_file():
        return
    before = read_fact(recorded)
    if before is not None:
        raise BuildError(
            f"{recorded}: {fact} was {_in_words(fact, before)}, now nothing answers ({need.how()}); once it answers"
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


def _in_words(name: str, value: Any) -> str | None:
    """Return a fact as a reader wants it, None where the tool is missing."""
    if value is None or (name == "encoder" and value["encoder"] == NONE):
        return None
    if name == "cpu":
        return _shown(f"{value['name']}, {value['cores']} cores")
    if name == "encoder":
        return _shown(f"{ENCODERS[value['encoder']]}, GStreamer {value['gstreamer']}")
    if not isinstance(value, dict):
        return _shown("; ".join(value) if isinstance(value, list) else value)
    if OWN_PROGRAM in value:
        return f"the project's own, {value[OWN_PROGRAM][:12]}"
    return _shown(
        value["version"] + (f", with TensorRT {value['tensorrt']}" if value.get("tensorrt") else "")
    )


def _shown(text: str) -> str:
    line = without_controls(text)
    return line if len(line) <= LONGEST_FOUND else f"{line[: LONGEST_FOUND - 1]}…"
