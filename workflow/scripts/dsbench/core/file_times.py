"""The clock of a file system, and files that a clock set back or a power loss has spoilt."""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

# A second clock, as of a file server, may be ahead by a little all the time.
TOLERANCE_S = 5
STEP_NS = 1_000_000
# Folders with files that may be empty: frames without a detection, and what somebody else wrote.
MAY_BE_EMPTY = {"kitti_output", "kitti", "downloads"}
# Snakemake's and tools' own notes, which say something by being there.
NOTES = re.compile(r"/\.[^/]*$|\.lock$")


def bring_back(folders: list[Path], directory: Path) -> tuple[int, float]:
    """Give files of `folders` that were changed in the future the present time, in the order they had.

    Return their number and by how many seconds the latest was ahead of the clock of `directory`.
    """
    now = file_system_time(directory)
    ahead = sorted(
        (status.st_mtime, path) for path, status in _files(folders) if status.st_mtime > now + TOLERANCE_S
    )
    times = sorted({changed for changed, _ in ahead})
    # The clock that a file system stamps files with stands still for milliseconds, and equal times have no order.
    present_ns = {changed: round(now * 1e9) - STEP_NS * back for back, changed in enumerate(reversed(times))}
    for changed, path in ahead:
        with suppress(FileNotFoundError):
            os.utime(path, ns=(present_ns[changed], present_ns[changed]))
    return len(ahead), ahead[-1][0] - now if ahead else 0.0


def emptied(folders: list[Path]) -> list[Path]:
    """Return the files of `folders` that hold nothing and ought to: a power loss leaves such of a finished job."""
    return sorted(
        Path(path)
        for path, status in _files(folders)
        if status.st_size == 0 and not MAY_BE_EMPTY & set(path.split("/")) and not NOTES.search(path)
    )


def _files(folders: list[Path]) -> Iterator[tuple[str, os.stat_result]]:
    """Yield files with their status; of an environment only what lies on top."""
    open_folders = [str(folder) for folder in folders if folder.is_dir()]
    while open_folders:
        # Where another call builds, which is refused later, files come and go.
        with suppress(FileNotFoundError), os.scandir(open_folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False) and not _is_environment(entry.path):
                    open_folders.append(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    with suppress(FileNotFoundError):
                        yield entry.path, entry.stat()


def _is_environment(path: str) -> bool:
    parent, name = os.path.split(path)
    return name == "node_modules" or os.path.isfile(os.path.join(parent, "pyvenv.cfg"))


def file_system_time(directory: Path) -> float:
    """Return the time that the file system of `directory` gives to a file written now, in seconds."""
    probe = directory / f".clock-{os.getpid()}"
    # What lies there may be a link that another user made.
    probe.unlink(missing_ok=True)
    descriptor = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        os.utime(descriptor)
        return os.fstat(descriptor).st_mtime
    finally:
        os.close(descriptor)
        probe.unlink()
