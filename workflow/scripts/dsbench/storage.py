"""A disk that is full, or that cannot be written: what is wrong, where, and what to do, in one sentence."""

import errno
import os
import shutil
from pathlib import Path

from dsbench.errors import BuildError

MIB_BYTES = 2**20
# Snakemake's own records and the logs need as much; what the models need is seen as they are built.
LEAST_FREE_MIB = 16
FULL = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the quota is used up"}
CLOSED = {
    errno.EROFS: "is on a disk mounted read-only",
    errno.EACCES: "may not be written",
    errno.EPERM: "may not be written",
}


def storage_sentence(error: OSError, log: Path) -> str | None:
    """Return what `error` says of the disk, about the job whose log is `log`; None where it is no fault of a disk."""
    place = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else log
    if error.errno in FULL:
        return (
            f"{place}: {FULL[error.errno]} ({_free_mib(place):.0f} MiB are free there);"
            " free some space and run the same command again"
        )
    if error.errno in CLOSED:
        return f"{place}: {CLOSED[error.errno]}; make it writable and run the same command again"
    return None


def check_storage(directory: Path) -> None:
    """Raise BuildError where a build in `directory` could not even keep its records."""
    if not os.access(directory, os.W_OK):
        raise BuildError(f"{directory}: cannot be written; make it writable and run the same command again")
    free_mib = _free_mib(directory)
    if free_mib < LEAST_FREE_MIB:
        raise BuildError(
            f"{directory}: the disk is full ({free_mib:.0f} MiB are free, at least {LEAST_FREE_MIB} are needed);"
            " free some space and run the same command again"
        )


def _free_mib(place: Path) -> float:
    existing = next(folder for folder in (place, *place.absolute().parents) if folder.exists())
    return shutil.disk_usage(existing).free / MIB_BYTES
