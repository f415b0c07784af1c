"""Memory of this process."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Made = TypeVar("Made")


def with_memory_growth(make: Callable[[], Made]) -> tuple[Made, int]:
    """Return what `make` makes, and by how many bytes the resident memory grew meanwhile, at least 0."""
    before_bytes = _resident_bytes()
    made = make()
    return made, max(0, _resident_bytes() - before_bytes)


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
