"""The files that ONNX tensors keep their bytes in: inside the folder, real files, as long as needed."""

import os
import stat
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from dsbench.file_choice import PICKLE_SUFFIXES, IntakeError, is_safe_name, printable
from dsbench.foreign_files import what_to_do
from dsbench.onnx_intake import External, read_external
from dsbench.read_once import read_once

MODEL_SUFFIXES = (".onnx", ".json", ".safetensors")
# Raw numbers are often called .bin; nothing unpickles them.
REFUSED_SUFFIXES = tuple(suffix for suffix in PICKLE_SUFFIXES if suffix != ".bin")


def external_names(onnx: Path) -> list[str]:
    """Return the names of the external files of an ONNX, relative to its folder; refuse unsafe ones."""
    return sorted({_checked_name(entry, onnx) for entry in read_once(read_external, onnx)})


def require_on_disk(onnx: Path, names: Iterable[str]) -> None:
    """Raise IntakeError for the first of the external files `names` of `onnx` that is missing or no plain file."""
    for name in names:
        _regular_size(onnx, name)


def _checked_name(entry: External, onnx: Path) -> str:
    shown = f"{onnx.name}: tensor {entry.tensor!r} has its data in {entry.location[:120]!r}"
    location = entry.location.removeprefix("./")
    if not location:
        raise IntakeError(f"{onnx.name}: tensor {entry.tensor!r} has external data without a file name.")
    if location.startswith(("/", "\\")) or ".." in PurePosixPath(location.replace("\\", "/")).parts:
        raise IntakeError(f"{shown}, outside its folder; external data must lie beside the ONNX.")
    if not is_safe_name(location):
        raise IntakeError(
            f"{shown}, a name with characters that are refused; rename the file and export again."
        )
    if location.lower().endswith((*REFUSED_SUFFIXES, *MODEL_SUFFIXES)):
        raise IntakeError(f"{shown}, which is no file of raw numbers; save it again with its data in *.data.")
    return location


def check_external_data(onnx: Path, names_allowed: Iterable[str] | None = None) -> list[Path]:
    """Return the external files of `onnx` after checking each; `names_allowed` limits what may be named.

    Raises IntakeError for links, pipes, devices, and for tensors beyond the end of their file.
    """
    sizes: dict[str, int] = {}
    for entry in read_once(read_external, onnx):
        name = _checked_name(entry, onnx)
        if name not in sizes:
            if names_allowed is not None and name not in set(names_allowed):
                raise IntakeError(f"{onnx.name}: its external data {name} is not among the source's files.")
            sizes[name] = _regular_size(onnx, name)
        length = entry.tensor_bytes if entry.length is None else entry.length
        if length != entry.tensor_bytes:
            raise IntakeError(
                f"{onnx.name}: tensor {entry.tensor!r} has {length} bytes in {name}, its shape needs"
                f" {entry.tensor_bytes}; export the model again."
            )
        if entry.offset + length > sizes[name]:
            raise IntakeError(
                f"{onnx.name}: tensor {entry.tensor!r} ends at byte {entry.offset + length} of {name}, which has"
                f" {sizes[name]}; {what_to_do(onnx.parent / name)}."
            )
    return [onnx.parent / name for name in sizes]


def _missing(onnx: Path, name: str) -> str:
    """Return a sentence that names the missing file, and those that may be it under another name."""
    entries = read_once(read_external, onnx)
    ends = max(e.offset + e.tensor_bytes for e in entries if _checked_name(e, onnx) == name)
    others = [
        file.name
        for file in sorted(onnx.parent.iterdir())
        if file.suffix.lower() not in MODEL_SUFFIXES and file.is_file() and file.stat().st_size >= ends
    ]
    renamed = f" Its name was changed if it is {' or '.join(map(printable, others[:3]))}." if others else ""
    return (
        f"{onnx.name}: its external data {name} is missing; put that file of at least {ends} bytes beside the ONNX,"
        f" under the name that the ONNX has for it.{renamed}"
    )


def _regular_size(onnx: Path, name: str) -> int:
    path = onnx.parent
    for part in PurePosixPath(name).parts:
        path = path / part
        try:
            state = os.lstat(path)
        except OSError:
            raise IntakeError(_missing(onnx, name)) from None
        if stat.S_ISLNK(state.st_mode):
            raise IntakeError(
                f"{onnx.name}: its external data {name} is a symbolic link; put the file itself there."
            )
    if not stat.S_ISREG(state.st_mode):
        raise IntakeError(f"{onnx.name}: its external data {name} is not a regular file.")
    if state.st_nlink > 1:
        raise IntakeError(
            f"{onnx.name}: its external data {name} has other hard links; copy it, then try again."
        )
    return state.st_size
