"""Files that are whole or absent: written beside their name, and renamed once all of it is there."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dsbench.errors import BuildError

PREFIX = ".partial-"


@contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """Yield the name to write to; it becomes `path` when the block ends well, and is removed when it does not.

    What a killed process left under that name is overwritten by the next one.
    """
    partial = path.with_name(f"{PREFIX}{path.name}")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_whole(path: str | Path, text: str) -> None:
    """Write `text` to `path` in UTF-8."""
    with written_beside(Path(path)) as partial:
        partial.write_text(text, encoding="utf-8")


def copy_whole(source: str | Path, destination: str | Path) -> None:
    """Copy the content of `source` to `destination`."""
    with written_beside(Path(destination)) as partial:
        shutil.copyfile(source, partial)


def read_json(path: str | Path):
    """Return what a step of this build wrote to `path`.

    Raises BuildError where it cannot be read any more, as after a power loss; then it is removed, so that the next
    call makes it anew.
    """
    file = Path(path)
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        file.unlink()
        raise BuildError(
            f"{file}: is no whole JSON ({error}) and was removed; run the same command again, which makes it anew"
        ) from None


@contextmanager
def scratch_beside(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside `path`, removed when the block ends; a killed process's is emptied by the next."""
    folder = path.with_name(f"{PREFIX}{path.name}.d")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
