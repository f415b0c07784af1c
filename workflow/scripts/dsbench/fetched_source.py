"""The record of a fetched source: where its checked files lie."""

import json
from dataclasses import dataclass
from pathlib import Path

from dsbench.errors import BuildError
from dsbench.read_once import read_once
from dsbench.whole_file import write_whole

AGAIN = "the next call that runs jobs fetches it again."


@dataclass(frozen=True)
class FetchedSource:
    """The checked files of a source: `names` below `folder`."""

    folder: Path
    names: tuple[str, ...]


def write_fetched(path: Path, folder: Path, files: list[dict]) -> None:
    """Write the record at `path`; it holds hashes, so that its content changes when a file's does."""
    write_whole(path, json.dumps({"folder": str(folder), "files": files}, indent=1) + "\n")


def read_fetched(path: Path) -> FetchedSource:
    """Return the source recorded at `path`; raise BuildError when a file is gone or has another size."""
    try:
        record = json.loads(path.read_text())
        folder = Path(record["folder"])
        sizes = {entry["name"]: entry["bytes"] for entry in record["files"]}
    except (ValueError, KeyError, TypeError):
        raise BuildError(f"{path}: no whole record of a fetched source; {AGAIN}") from None
    for name, size_bytes in sizes.items():
        file = folder / name
        if not file.is_file() or file.stat().st_size != size_bytes:
            raise BuildError(f"{file}: gone or changed since it was fetched; {AGAIN}")
    return FetchedSource(folder, tuple(sizes))


def what_is_lost(path: Path) -> str | None:
    """Return in a sentence how files of the record at `path` are not as it says; None if they are, or without it."""
    try:
        read_once(read_fetched, path)
    except FileNotFoundError:
        return None
    except BuildError as error:
        return str(error)
    return None
