"""trtexec's log lines: time, severity, text; information to stdout, trouble to stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class LogWriter:
    """Writes one program's log; `identity` names program, version and runtime in its banners."""

    identity: str
    command: str
    is_verbose: bool = False

    def banner(self, verdict: str) -> None:
        """Write a RUNNING, PASSED or FAILED line."""
        print(f"&&&& {verdict} {self.identity} # {self.command}", flush=True)

    def info(self, text: str = "") -> None:
        """Write an [I] line."""
        print(_line("I", text), flush=True)

    def infos(self, texts: Iterable[str]) -> None:
        """Write one [I] line per text."""
        for text in texts:
            self.info(text)

    def verbose(self, text: str) -> None:
        """Write a [V] line if --verbose was given."""
        if self.is_verbose:
            print(_line("V", text), flush=True)

    def warning(self, text: str) -> None:
        """Write a [W] line."""
        print(_line("W", text), file=sys.stderr, flush=True)

    def error(self, text: str) -> None:
        """Write an [E] line."""
        print(_line("E", text), file=sys.stderr, flush=True)


def cpp_text(value: float) -> str:
    """Return `value` as a C++ stream writes it: six significant digits, no trailing zeros."""
    return f"{value:g}"


def _line(severity: str, text: str) -> str:
    return f"[{time.strftime('%m/%d/%Y-%H:%M:%S')}] [{severity}] {text}"
