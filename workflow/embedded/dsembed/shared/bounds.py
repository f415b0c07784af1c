"""Bounds on a process that takes somebody else's graph or clip: its memory, and its processor time until it answers."""

from __future__ import annotations

import math
import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

MIB_BYTES = 2**20
# The rest is the system's and the neighbours'.
SHARE_OF_MEMORY = 7 / 8
LOADING_S = 900.0
RUN_S, RUN_S_OF_A_MEGAPIXEL = 30.0, 300.0


def bound_memory() -> None:
    """Let this process have as much memory as the machine or its cgroup has, less an eighth, and leave no core behind.

    DSEMBED_MEMORY_MIB states less. What goes beyond fails as it does on a full machine, and takes nothing from others.
    """
    stated = os.environ.get("DSEMBED_MEMORY_MIB", "")
    most = int(stated) * MIB_BYTES if stated.isdecimal() else int(_memory_bytes() * SHARE_OF_MEMORY)
    _set_soft(resource.RLIMIT_DATA, most)
    _set_soft(resource.RLIMIT_CORE, 0)


@contextmanager
def memory_growth(most_bytes: int) -> Iterator[None]:
    """Let the block take so much memory beside what this process has; what goes beyond fails as on a full machine."""
    before = resource.getrlimit(resource.RLIMIT_DATA)
    _set_soft(resource.RLIMIT_DATA, psutil.Process().memory_info().data + most_bytes)
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


@contextmanager
def first_run(images: int, pixels: int) -> Iterator[None]:
    """Allow the block the processor time that a graph may take to load and to answer `images` of `pixels` once.

    The kernel ends the process there, by SIGXCPU: a library that does not come back lets no Python run.
    """
    seconds = LOADING_S + RUN_S + RUN_S_OF_A_MEGAPIXEL * images * pixels / 1e6
    before = resource.getrlimit(resource.RLIMIT_CPU)[0]
    _set_soft(resource.RLIMIT_CPU, math.ceil(time.process_time() + seconds))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_CPU, (before, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _set_soft(kind: int, most: int) -> None:
    """Lower a limit of this process to `most`, where it is not lower already."""
    soft, hard = resource.getrlimit(kind)
    if soft == resource.RLIM_INFINITY or most < soft:
        resource.setrlimit(kind, (most, hard))


def _memory_bytes(limit: Path = Path("/sys/fs/cgroup/memory.max")) -> int:
    total = psutil.virtual_memory().total
    stated = limit.read_text().strip() if limit.is_file() else ""
    return min(total, int(stated)) if stated.isdecimal() else total
