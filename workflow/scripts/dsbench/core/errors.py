"""Failures the build explains in one sentence, and that sentence for a disk that is full or cannot be written."""

import errno
import os
import shutil
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

MIB_BYTES = 2**20
# Snakemake's own records and the logs need as much; what the models need is seen as they are built.
LEAST_FREE_MIB = 4
FULL = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the quota is used up"}
CLOSED = {
    errno.EROFS: "is on a disk mounted read-only",
    errno.EACCES: "may not be read, written or run by this user",
    errno.EPERM: "may not be changed by this user",
}


# A sentence that quotes more than this quotes something from outside; what to do stands at its end.
LONGEST_SENTENCE, KEPT_END = 4000, 1000


def without_controls(text: str) -> str:
    """Return text from outside as a terminal may show it: each sign that is not printable is a question mark."""
    return "".join(char if char.isprintable() else "?" for char in text)


class BuildError(Exception):
    """A step that cannot go on; the text names the file, what was found, what was expected, what to do."""

    def __init__(self, text: str = ""):
        if len(text) > LONGEST_SENTENCE:
            left_out = len(text) - LONGEST_SENTENCE
            text = f"{text[:-KEPT_END][: LONGEST_SENTENCE - KEPT_END]} … ({left_out} characters) … {text[-KEPT_END:]}"
        super().__init__(text)


def closest(name: str, known: Iterable[str], place: str, most: int = 3) -> str:
    """Return which of the `known` names are expected: all where they are few, else those most like `name`.

    `place` is where all of them stand.
    """
    names = list(map(str, known))
    if len(names) <= 2 * most:
        return f"expected {'one of ' if len(names) > 1 else ''}{', '.join(names)}"
    alike = {each.lower().replace("-", "_"): each for each in names}
    near = [
        alike[each] for each in get_close_matches(name.lower().replace("-", "_"), alike, most, cutoff=0.4)
    ]
    like = f"the closest: {', '.join(near)}; " if near else ""
    return f"{like}all {len(names)} are in {place}"


def refuse_unnameable(what: str, path: str | Path) -> None:
    """Raise BuildError for a file's path that Snakemake or an address cannot name."""
    shown = os.fsencode(path).decode(errors="backslashreplace")
    if shown != str(path):
        raise BuildError(
            f"{shown}: {what} has bytes that are no UTF-8, and no address and no log can name them; rename it"
        )
    _refuse_braces(what, path)


def refuse_as_home(what: str, path: str | Path) -> None:
    """Raise BuildError for the path of a folder from which programs and modules could not be run."""
    if os.pathsep in str(path):
        raise BuildError(
            f"{path}: {what} has a colon, which separates folders in PATH and PYTHONPATH, so that neither finds what is"
            " in it; rename it"
        )
    _refuse_braces(what, path)


def _refuse_braces(what: str, path: str | Path) -> None:
    """Raise BuildError for a path with braces: Snakemake takes what is between them for a name to fill in."""
    if set("{}") & set(str(path)):
        raise BuildError(
            f"{path}: {what} has a brace, and Snakemake fills in whatever stands between braces; rename it"
        )


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
