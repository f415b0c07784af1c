"""Known faults: what a tool's log says went wrong, why, and what to do."""

import re
import resource
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dsbench.core.errors import BuildError, without_controls
from dsbench.tools.tool_run import report_progress

CATALOGUE = Path(__file__).with_name("faults.toml")
OPTIMISATION_LEVEL = "optimisation level 2"
WORKSPACE = "half the workspace"
LEVEL = re.compile(r"(?:\[[^\]]*\] )?\[([IVWEF])\] ")
PASSED = "&&&& PASSED"
TOO_MUCH = "# too much: "
LONGEST_LINE = 300
# The warning that TensorRT prints after the error of a tactic that it leaves out.
SKIPPED = re.compile(r"\[W\].*(?:[Ss]kipping tactic|insufficient to use tactic)")
SKIPPED_WITHIN = 2


@dataclass(frozen=True)
class Fault:
    """One entry of the catalogue.

    `next_attempt` is what a build may try by itself, None where nothing is safe; after a `warning` the tool goes on; an
    `information` is told by a line of any level; a `consequence` always has another cause. `limit` is what there was
    too little of, where a smaller batch or fewer streams need less.
    """

    name: str
    pattern: re.Pattern
    cause: str
    fix: str
    next_attempt: str | None = None
    warning: bool = False
    information: bool = False
    consequence: bool = False
    limit: str | None = None

    @property
    def levels(self) -> str:
        """Return the levels of TensorRT's lines that may tell this fault."""
        return "IVWEF" if self.information else "WEF" if self.warning else "EF"

    def explained(self) -> str:
        """Return cause and fix, a line each."""
        cause = "Possible cause" if self.warning else "Cause"
        return f"{cause} ({self.name}): {self.cause}\nNext: {self.fix}"


@cache
def _entries() -> dict:
    return tomllib.loads(CATALOGUE.read_text())


@cache
def harmless() -> re.Pattern:
    """Return what fits a line that reads like a fault where nothing is wrong."""
    return re.compile("|".join(_entries()["harmless"]))


@cache
def catalogue() -> tuple[Fault, ...]:
    """Return all entries, causes before what follows from them, then warnings, then mere consequences."""
    entries = {name: dict(entry) for name, entry in _entries().items() if name != "harmless"}
    faults = [Fault(name, re.compile(entry.pop("pattern"), re.M), **entry) for name, entry in entries.items()]
    return tuple(sorted(faults, key=lambda fault: (fault.consequence, fault.warning)))


def diagnose(text: str) -> Fault | None:
    """Return the first entry of the catalogue that fits a line of `text`, None for an unknown fault.

    Lines that start with # are the build's own: the head of a log holds the whole configuration. Harmless ones are
    no cause, and neither is what trtexec overcame.
    """
    lines = [(_level(line), line) for line in _without_overcome(text.splitlines())]

    def said(levels: str) -> str:
        return "\n".join(line for level, line in lines if level is None or level in levels)

    texts = {levels: said(levels) for levels in {fault.levels for fault in catalogue()}}
    return next((fault for fault in catalogue() if fault.pattern.search(texts[fault.levels])), None)


def limit_in(text: str) -> str | None:
    """Return what there was too little of, with the line that says so; None where a log tells of another fault."""
    fault = diagnose(text)
    if fault is None or fault.limit is None:
        return None
    line = next(each for each in text.splitlines() if fault.pattern.search(each))
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    limit = fault.limit.format(files="any number of" if files == resource.RLIM_INFINITY else files)
    return f"{limit} ({without_controls(line.strip())[:LONGEST_LINE]})"


@contextmanager
def noting_limit(log: Path, size: str, is_least: bool) -> Iterator[None]:
    """Let a tool fail that had too little for its `size`: its `log` then ends with a note, so that less is tried.

    Other faults are raised, and any of the least size.
    """
    try:
        yield
    except BuildError as error:
        said = f"{error}\n{log.read_text(errors='replace') if log.is_file() else ''}"
        reason = None if is_least else limit_in(said)
        if reason is None:
            raise
        note_limit(log, size, reason)


def note_at_end(log: Path, mark: str, reason: str) -> None:
    """Write the reason, of one line, behind `mark` as the last line of `log`."""
    with log.open("a") as stream:
        stream.write(f"{mark}{reason}\n")


def noted_at_end(text: str, mark: str) -> str | None:
    """Return what stands behind `mark` in the last line of a log, None where that line has no such mark."""
    last = text.rstrip().rpartition("\n")[2]
    return last.removeprefix(mark) if last.startswith(mark) else None


def note_limit(log: Path, size: str, reason: str) -> None:
    """Write at the end of `log` why its size was too much."""
    note_at_end(log, TOO_MUCH, reason)
    report_progress(f"{size}: {reason}; trying less")


def limit_of(text: str) -> str | None:
    """Return the reason that ends a log of a size that was too much, None where there is none."""
    return noted_at_end(text, TOO_MUCH)


def _level(line: str) -> str | None:
    """Return the level that TensorRT gave the line, None for a line of another program."""
    found = LEVEL.match(line)
    return found[1] if found else None


def _without_overcome(lines: list[str]) -> list[str]:
    """Return the lines without comments, harmless ones, and [E] lines of skipped tactics or of a run that PASSED."""
    passed = any(line.startswith(PASSED) for line in lines)

    def is_overcome(number: int) -> bool:
        after = lines[number + 1 : number + 1 + SKIPPED_WITHIN]
        return _level(lines[number]) == "E" and (passed or any(map(SKIPPED.search, after)))

    return [
        line
        for number, line in enumerate(lines)
        if not (line.startswith("#") or harmless().search(line) or is_overcome(number))
    ]
