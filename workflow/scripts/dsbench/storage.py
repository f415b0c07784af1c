"""A disk that is full, or that cannot be written: what is wrong, where, and what to do, in one sentence."""

import errno
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from dsbench.errors import BuildError

MIB_BYTES = 2**20
# Snakemake's own records and the logs need as much; what the models need is seen as they are built.
LEAST_FREE_MIB = 4
FULL = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the quota is used up"}
CLOSED = {
    errno.EROFS: "is on a disk mounted read-only",
    errno.EACCES: "may not be read, written or run by this user",
    errno.EPERM: "may not be changed by this user",
}


def storage_sentence(error: OSError, log: Path) -> str | None:
    """Return what `error` says of the disk, about the job whose log is `log`; None where it is no fault of a disk."""
    place = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else log
    if error.errno in FULL:
        return f"{place}: {FULL[error.errno]}; free some space and run the same command again"
    if error.errno in CLOSED:
        return f"{place}: {CLOSED[error.errno]}; correct that and run the same command again"
    return None


def check_storage(folders: Iterable[Path]) -> None:
    """Raise BuildError where one of the `folders` that exist cannot be written, or not even a log fits in it."""
    free_mib: dict[int, float] = {}
    for folder in folders:
        if not folder.is_dir():
            continue
        if not os.access(folder, os.W_OK):
            raise BuildError(f"{folder}: cannot be written; make it writable and run the same command again")
        disk = folder.stat().st_dev
        free_mib.setdefault(disk, shutil.disk_usage(folder).free / MIB_BYTES)
        if free_mib[disk] < LEAST_FREE_MIB:
            raise BuildError(
                f"{folder}: the disk is full ({free_mib[disk]:.1f} MiB are free, at least {LEAST_FREE_MIB} are needed);"
                " free some space and run the same command again"
            )
