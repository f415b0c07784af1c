"""Who downloads a file: the owner of a partial file that grows, without any lock.

flock is missing on many NFS and Lustre mounts, and a lock file outlives a killed job. Here each process
writes a partial file of its own name. One that grows keeps others waiting; one whose process is gone, or that
stood still for STALL_S, is copied by the next process, which goes on from there. Two processes that take over
at the same moment both download: the final rename is atomic and the content is verified before it.
"""

import os
import re
import shutil
import socket
import time
from pathlib import Path

from dsbench.process_identity import start_ticks

# Longer than NFS may show an old size and time of a file that another host writes (acregmax, 60 s).
STALL_S = 90.0
POLL_S = 0.5
OWNER = re.compile(r"\.(\d+)@(.+)$")


def claim(folder: Path, key: str, destination: Path, say) -> Path | None:
    """Return this process's partial file for `key`, begun from what a dead download left.

    Waits while another process downloads the same; returns None when that one finished `destination`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    own = folder / f"{key}.{os.getpid()}@{socket.gethostname()}"
    seen: dict[Path, tuple] = {}
    told = False
    while not destination.exists():
        others = [path for path in folder.glob(f"{key}.*") if path != own]
        busy = [path for path in others if _may_be_written(path, seen)]
        if not busy:
            _take_over(others, own)
            return own
        if not told:
            say(f"waiting for another process that downloads {destination.name}")
            told = True
        time.sleep(POLL_S)
    return None


def _may_be_written(path: Path, seen: dict[Path, tuple]) -> bool:
    owner = OWNER.search(path.name)
    if owner and owner[2] == socket.gethostname() and start_ticks(int(owner[1])) is None:
        return False
    try:
        state = path.stat()
    except FileNotFoundError:
        return False
    now, mark = time.monotonic(), (state.st_size, state.st_mtime_ns)
    if path not in seen or seen[path][0] != mark:
        seen[path] = (mark, now)
    return now - seen[path][1] < STALL_S


def _take_over(others: list[Path], own: Path) -> None:
    """Copy rather than rename: a stalled writer may wake up and still hold its file open."""
    left = sorted((path for path in others if path.exists()), key=lambda path: path.stat().st_size)
    if left and not own.exists():
        shutil.copyfile(left[-1], own)
    for path in left:
        path.unlink(missing_ok=True)
