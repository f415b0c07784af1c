"""Known faults: what a tool's log says went wrong, why, and what to do."""

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

CATALOGUE = Path(__file__).with_name("faults.toml")
OPTIMISATION_LEVEL = "optimisation level 2"
WORKSPACE = "half the workspace"
LEVEL = re.compile(r"(?:\[[^\]]*\] )?\[([IVWEF])\] ")
PASSED = "&&&& PASSED"
# The warning that TensorRT prints after the error of a tactic that it leaves out.
SKIPPED = re.compile(r"\[W\].*(?:[Ss]kipping tactic|insufficient to use tactic)")
SKIPPED_WITHIN = 2


@dataclass(frozen=True)
class Fault:
    """One entry of the catalogue.

    `next_attempt` is what a build may try by itself, None where nothing is safe; after a `warning` the tool goes on; an
    `information` is told by a line of any level; a `consequence` always has another cause.
    """

    name: str
    pattern: re.Pattern
    cause: str
    fix: str
    next_attempt: str | None = None
    warning: bool = False
    information: bool = False
    consequence: bool = False

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
