"""Where a model comes from: a folder in Hugging Face layout, listed with sizes and hashes."""

import hashlib
from pathlib import Path

from dsbench.errors import BuildError

REQUIRED = ("config.json", "preprocessor_config.json")
WEIGHTS = "model.safetensors"


class SourceError(BuildError):
    """A source that cannot be used, with the reason and what would be accepted."""


def locate(path: str, workdir: Path, project: Path) -> Path:
    """Return `path` as it stands, else below the working directory, else below the project."""
    for base in (workdir, project):
        candidate = base / Path(path).expanduser()
        if candidate.exists():
            return candidate
    raise SourceError(
        f"{path}: no such file or folder below {workdir} or {project}; correct it in the config"
    )


def source_files(folder: Path) -> list[Path]:
    """Return the files of a Hugging Face layout that the build reads; refuse what it would not load."""
    if not folder.is_dir():
        raise SourceError(
            f"{folder}: a model source must be a folder in Hugging Face layout (config.json,"
            " preprocessor_config.json, model.safetensors)"
        )
    missing = [name for name in (*REQUIRED, WEIGHTS) if not (folder / name).is_file()]
    if missing:
        pickles = sorted(
            file.name for file in folder.glob("*") if file.suffix in (".bin", ".pt", ".pth", ".pkl")
        )
        hint = f" ({', '.join(pickles)} is a pickle and is never opened; convert it)" if pickles else ""
        raise SourceError(f"{folder}: {', '.join(missing)} missing{hint}")
    return [folder / name for name in (*REQUIRED, WEIGHTS)]


def list_source(files: list[Path]) -> list[dict]:
    """Return name, size in bytes and SHA-256 of each file."""
    return [
        {"name": file.name, "bytes": file.stat().st_size, "sha256": sha256_of(file)} for file in sorted(files)
    ]


def sha256_of(file: Path) -> str:
    """Return the SHA-256 of a file's content as hexadecimal text."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
