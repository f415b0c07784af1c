"""What every later rule takes of a fetched source: a record of its files, and copies of the small ones."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dsbench.errors import BuildError
from dsbench.source_labels import read_source_labels


@dataclass(frozen=True)
class FetchedSource:
    """The checked files of a source: `names` below `folder`."""

    folder: Path
    names: tuple[str, ...]


def write_fetched(path: Path, folder: Path, files: list[dict]) -> None:
    """Write the record at `path`; it holds hashes, so that its content changes when a file's does."""
    path.write_text(json.dumps({"folder": str(folder), "files": files}, indent=1) + "\n")


def read_fetched(path: Path) -> FetchedSource:
    """Return the source recorded at `path`; raise BuildError when a file is gone or has another size."""
    record = json.loads(path.read_text())
    folder = Path(record["folder"])
    for entry in record["files"]:
        file = folder / entry["name"]
        if not file.is_file() or file.stat().st_size != entry["bytes"]:
            raise BuildError(
                f"{file}: gone or changed since it was fetched; run the same command with `-R fetch_source`."
            )
    return FetchedSource(folder, tuple(entry["name"] for entry in record["files"]))


def copy_or_empty(file: Path, files: list[dict], destination: Path) -> None:
    """Copy `file` if its name is one of the fetched `files`; else leave an empty `destination`."""
    if file.name in {entry["name"] for entry in files}:
        shutil.copyfile(file, destination)
    else:
        destination.write_bytes(b"")


def write_source_labels(of_source: Path, named: Sequence[Path], destination: Path) -> None:
    """Write the class names of the file `named` in the configuration, else `of_source`, one harmless line per id.

    Without either, `destination` is empty. Raises IntakeError for a file that is no list of names.
    """
    files = [*named, *([of_source] if of_source.is_file() else [])]
    names = read_source_labels(files[0]) if files else {}
    destination.write_text("".join(f"{names[index]}\n" for index in sorted(names)), encoding="utf-8")
