"""Files that are whole or absent: written beside their name, and renamed once all of it is there."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
