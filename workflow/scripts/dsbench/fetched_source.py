"""Where a model's fetched files lie: the small file that every later rule takes instead of the folder."""

import json
from dataclasses import dataclass
from pathlib import Path

from dsbench.errors import BuildError


@dataclass(frozen=True)
class FetchedSource:
    """The checked files of a source: `names` below `folder`; `labels` is a file named in the config, or None."""

    folder: Path
    names: tuple[str, ...]
    labels: Path | None


def write_fetched(path: Path, folder: Path, files: list[dict], labels: Path | None) -> None:
    """Write the record at `path`; it holds hashes, so that its content changes when a file's does."""
    record = {"folder": str(folder), "files": files, "labels": str(labels) if labels else None}
    path.write_text(json.dumps(record, indent=1) + "\n")


def read_fetched(path: Path) -> FetchedSource:
    """Return the source recorded at `path`; raise BuildError when a file is gone or has another size."""
    record = json.loads(path.read_text())
    folder = Path(record["folder"])
    for entry in record["files"]:
        file = folder / entry["name"]
        if not file.is_file() or file.stat().st_size != entry["bytes"]:
            raise BuildError(
                f"{file}: gone or changed since it was fetched; run `snakemake -R fetch_source` with the same target."
            )
    labels = Path(record["labels"]) if record["labels"] else None
    return FetchedSource(folder, tuple(entry["name"] for entry in record["files"]), labels)
