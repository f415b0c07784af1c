"""Known faults: what a tool's log says went wrong, why, and what to do."""

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

CATALOGUE = Path(__file__).with_name("faults.toml")
OPTIMISATION_LEVEL = "optimisation level 2"
WORKSPACE = "half the workspace"


@dataclass(frozen=True)
class Fault:
    """One entry of the catalogue.

    `next_attempt` is what a build may try by itself, None where nothing is safe; after a `warning` the tool goes on; a
    `consequence` always has another cause.
    """

    name: str
    pattern: re.Pattern
    cause: str
    fix: str
    next_attempt: str | None = None
    warning: bool = False
    consequence: bool = False

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
    no cause.
    """
    lines = text.splitlines()
    said = "\n".join(line for line in lines if not line.startswith("#") and not harmless().search(line))
    return next((fault for fault in catalogue() if fault.pattern.search(said)), None)
