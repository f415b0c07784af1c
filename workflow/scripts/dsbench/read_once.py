"""Read a file again only where it has changed: while the DAG is made, many jobs ask for the same one."""

from collections.abc import Callable
from functools import cache
from pathlib import Path


def read_once(read: Callable, path: Path, *more):
    """Return `read(path, *more)`, as found before if the file is still the same one; raise what stat and read raise."""
    changed = path.stat()
    return _as_of(read, path, more, (changed.st_mtime_ns, changed.st_size, changed.st_ino))


@cache
def _as_of(read, path: Path, more: tuple, _state: tuple[int, int, int]):
    return read(path, *more)
