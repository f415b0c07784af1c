"""Memory of this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import psutil

Made = TypeVar("Made")


def with_memory_growth(make: Callable[[], Made]) -> tuple[Made, int]:
    """Return what `make` makes, and by how many bytes the resident memory grew meanwhile, at least 0."""
    before_bytes = _resident_bytes()
    made = make()
    return made, max(0, _resident_bytes() - before_bytes)


def _resident_bytes() -> int:
    return psutil.Process().memory_info().rss
