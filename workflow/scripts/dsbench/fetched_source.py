"""The record of a fetched source: where its checked files lie."""

import json
from dataclasses import dataclass
from pathlib import Path

from dsbench.errors import BuildError
from dsbench.whole_file import write_whole


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
    record = json.loads(path.read_text())
    folder = Path(record["folder"])
    for entry in record["files"]:
        file = folder / entry["name"]
        if not file.is_file() or file.stat().st_size != entry["bytes"]:
            raise BuildError(
                f"{file}: gone or changed since it was fetched; run the same command with `-R fetch_source`."
            )
    return FetchedSource(folder, tuple(entry["name"] for entry in record["files"]))
