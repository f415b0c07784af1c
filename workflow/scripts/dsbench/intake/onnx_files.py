"""An ONNX and the files its tensors lie in, checked by their bytes before any ONNX library may load them."""

import math
import os
import resource
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import psutil

from dsbench.core.files import read_once
from dsbench.intake.file_choice import PICKLE_SUFFIXES, IntakeError, is_safe_name, printable
from dsbench.intake.foreign_files import what_to_do

# protobuf cannot hold more; larger models keep their tensors in external files.
LARGEST_PROTO_BYTES = (1 << 31) - 1
# A file of two bytes for each empty node takes a hundred times its size; a model with its weights, its size.
SPARE_BYTES = 1 << 30
MOST_MESSAGES = 3_000_000
MOST_DIMS = 16
# What exporters write for a free dimension where ONNX wants a name or nothing.
FREE_DIM = -1
LARGEST_TENSOR_BYTES = 32 << 30
# Bits per element by TensorProto.DataType; strings (8) have none.
BITS = {1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64, 14: 64, 15: 128}
BITS |= {16: 16, 17: 8, 18: 8, 19: 8, 20: 8, 21: 4, 22: 4, 23: 4, 24: 8}
STRING = 8
MODEL_SUFFIXES = (".onnx", ".json", ".safetensors")
# Raw numbers are often called .bin; nothing unpickles them.
REFUSED_SUFFIXES = tuple(suffix for suffix in PICKLE_SUFFIXES if suffix != ".bin")


class _UnsoundError(ValueError):
    """What no sound ONNX has."""


@dataclass(frozen=True)
class External:
    """Where a tensor's bytes lie outside the ONNX file; `length` is None where the file does not say."""

    tensor: str
    location: str
    offset: int
    length: int | None
    tensor_bytes: int


def read_external(path: Path) -> list[External]:
    """Return the external data that the ONNX at `path` names; none of it is opened.

    Raises IntakeError for anything that is no sound ONNX: more than protobuf can hold, nesting deeper than it
    allows, negative or absurd dims, tensors whose bytes do not fit their shape; one that is something else, such as
    a Git LFS pointer, is named as that.
    """
    # A call that reads no ONNX does without the fifth of a second that this takes.
    from google.protobuf.message import DecodeError
    from onnx import ModelProto

    size = path.stat().st_size
    if not 0 < size <= LARGEST_PROTO_BYTES:
        raise IntakeError(
            f"{path.name}: {size} bytes, expected an ONNX of 1 to {LARGEST_PROTO_BYTES} bytes;"
            " fetch or export it again."
        )
    data = path.read_bytes()
    try:
        with _bounded_memory(size + SPARE_BYTES):
            model = ModelProto.FromString(data)
        del data
        if not model.HasField("graph"):
            raise IntakeError(f"{path.name}: no ONNX model (it has no graph); {what_to_do(path)}.")
        return _external_tensors(model)
    except DecodeError as error:
        reason = str(error).rpartition(": ")[2]
        raise IntakeError(f"{path.name}: no sound ONNX ({reason}); {what_to_do(path)}.") from None
    except _UnsoundError as error:
        raise IntakeError(f"{path.name}: no sound ONNX ({error}); {what_to_do(path)}.") from None


@contextmanager
def _bounded_memory(more_bytes: int) -> Iterator[None]:
    """Let this process grow by `more_bytes` at most; protobuf then fails where it would take more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    allowed = psutil.Process().memory_info().vms + more_bytes
    # The parser holds Python's lock, so that no other thread meets the limit.
    resource.setrlimit(resource.RLIMIT_AS, (allowed if soft < 0 else min(soft, allowed), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _external_tensors(model) -> list[External]:
    from onnx import TensorProto, TensorShapeProto

    external, tensor_bytes = [], 0
    for message in _messages(model, TensorProto):
        if isinstance(message, TensorShapeProto.Dimension):
            if message.dim_value != FREE_DIM:
                _check_dim(message.dim_value)
        elif isinstance(message, TensorProto):
            needed = _bytes_needed(message)
            tensor_bytes += needed or 0
            if tensor_bytes > LARGEST_TENSOR_BYTES:
                raise _UnsoundError(f"tensors of more than {LARGEST_TENSOR_BYTES} bytes in all")
            if message.data_location or message.external_data:
                external.append(_external(message, needed))
            elif message.HasField("raw_data") and needed != (found := len(message.raw_data)):
                raise _UnsoundError(f"{_shown(message)} has {found} bytes, its shape needs {needed}")
    return external


def _messages(model, leaf: type) -> Iterator:
    """Yield every message of `model`, of whatever kind and wherever it lies; what is in a `leaf` is left out."""
    waiting, count = [model], 0
    while waiting:
        message = waiting.pop()
        yield message
        if isinstance(message, leaf):
            continue
        for field, value in message.ListFields():
            if field.message_type is not None:
                below = value if field.is_repeated else (value,)
                count += len(below)
                if count > MOST_MESSAGES:
                    raise _UnsoundError("more parts than a model has")
                waiting.extend(below)


def _check_dim(dim: int) -> None:
    if not 0 <= dim <= LARGEST_TENSOR_BYTES:
        raise _UnsoundError(f"a dimension of {dim}")


def _bytes_needed(tensor) -> int | None:
    """Return how many bytes the shape of a tensor needs, None for one of texts."""
    if len(tensor.dims) > MOST_DIMS:
        raise _UnsoundError(f"{_shown(tensor)} has {len(tensor.dims)} dimensions")
    for dim in tensor.dims:
        _check_dim(dim)
    if tensor.data_type == STRING:
        return None
    if tensor.data_type not in BITS:
        raise _UnsoundError(f"{_shown(tensor)} has the unknown data type {tensor.data_type}")
    return math.ceil(math.prod(tensor.dims) * BITS[tensor.data_type] / 8)


def _external(tensor, needed: int | None) -> External:
    entries = {_text(entry.key): _text(entry.value) for entry in tensor.external_data}
    if len(entries) != len(tensor.external_data) or not tensor.data_location or needed is None:
        raise _UnsoundError(f"{_shown(tensor)} has contradicting external data")
    numbers = {}
    for key in ("offset", "length"):
        text = entries.get(key, "")
        # int() also takes signs, spaces and underscores, which loaders read differently.
        if text and not (text.isascii() and text.isdigit() and len(text) <= 15):
            raise _UnsoundError(f"{_shown(tensor)} has the external {key} {text[:40]!r}")
        numbers[key] = int(text) if text else None
    name = _text(tensor.name)[:200]
    return External(name, entries.get("location", ""), numbers["offset"] or 0, numbers["length"], needed)


def _shown(tensor) -> str:
    return f"tensor {_text(tensor.name)[:200]!r}"


def _text(value: str | bytes) -> str:
    """Return a text of the file; protobuf gives one that is no UTF-8 as bytes."""
    return value if isinstance(value, str) else value.decode(errors="replace")


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
