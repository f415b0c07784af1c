"""Where a model comes from: a folder in Hugging Face layout, listed with sizes and hashes."""

import hashlib
from pathlib import Path

from dsbench.errors import BuildError

REQUIRED = ("config.json", "preprocessor_config.json")
WEIGHTS = "model.safetensors"
TEXTS = (".json", ".txt", ".model")


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
    """Return the files of a source folder that the build reads; refuse what it would not load.

    It has ONNX files, or a Hugging Face layout with safetensors, whole or in shards.
    """
    if not folder.is_dir():
        raise SourceError(
            f"{folder}: a model source must be a folder in Hugging Face layout (config.json,"
            " preprocessor_config.json, model.safetensors)"
        )
    read = [file for file in sorted(folder.iterdir()) if file.is_file() and file.suffix in TEXTS]
    onnx = sorted(file for place in (folder, folder / "onnx") for file in place.glob("*.onnx*"))
    if onnx:
        return [*read, *onnx]
    weights = sorted(folder.glob("*.safetensors"))
    missing = [name for name in REQUIRED if not (folder / name).is_file()]
    if not weights:
        missing.append(WEIGHTS)
    if missing:
        pickles = sorted(
            file.name for file in folder.glob("*") if file.suffix in (".bin", ".pt", ".pth", ".pkl")
        )
        hint = f" ({', '.join(pickles)} is a pickle and is never opened; convert it)" if pickles else ""
        raise SourceError(f"{folder}: {', '.join(missing)} missing{hint}")
    return [*read, *weights]


def list_source(files: list[Path]) -> list[dict]:
    """Return name, size in bytes and SHA-256 of each file."""
    return [
        {"name": file.name, "bytes": file.stat().st_size, "sha256": sha256_of(file)} for file in sorted(files)
    ]


def sha256_of(file: Path) -> str:
    """Return the SHA-256 of a file's content as hexadecimal text."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
