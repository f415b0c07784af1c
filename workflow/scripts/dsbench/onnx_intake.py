"""An ONNX file judged by its bytes, before any ONNX library may load it or the files it names."""

import math
import mmap
from dataclasses import dataclass, field
from pathlib import Path

from dsbench.file_choice import IntakeError
from dsbench.foreign_files import what_to_do
from dsbench.protobuf_reader import LENGTH, VARINT, MalformedError, fields, packed, signed

# protobuf cannot hold more; larger models keep their tensors in external files.
LARGEST_PROTO_BYTES = (1 << 31) - 1
DEEPEST = 64
MOST_FIELDS = 3_000_000
MOST_DIMS = 16
# What exporters write for a free dimension where ONNX wants a name or nothing.
FREE_DIM = -1
LARGEST_TENSOR_BYTES = 32 << 30
# Bits per element by TensorProto.DataType; strings (8) have none.
BITS = {1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64, 14: 64, 15: 128}
BITS |= {16: 16, 17: 8, 18: 8, 19: 8, 20: 8, 21: 4, 22: 4, 23: 4, 24: 8}
STRING = 8
# Which fields of a message are messages again: GraphProto, NodeProto, AttributeProto and so on.
CHILDREN = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute", 12: "value"},
    "graph": {1: "node", 5: "tensor", 11: "value", 12: "value", 13: "value", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {
        5: "tensor",
        6: "graph",
        10: "tensor",
        11: "graph",
        22: "sparse",
        23: "sparse",
        14: "type",
        15: "type",
    },
    "sparse": {1: "tensor", 2: "tensor"},
    "value": {2: "type"},
    "type": {1: "tensor_type", 4: "element", 5: "map", 8: "tensor_type", 9: "element"},
    "element": {1: "type"},
    "map": {2: "type"},
    "tensor_type": {2: "shape"},
    "shape": {1: "dim"},
}


@dataclass(frozen=True)
class External:
    """Where a tensor's bytes lie outside the ONNX file; None where the file does not say."""

    tensor: str
    location: str
    offset: int
    length: int | None
    tensor_bytes: int | None


@dataclass
class Walk:
    """What one pass over the file has left to spend and has found."""

    budget: list[int]
    external: list[External] = field(default_factory=list)
    tensor_bytes: int = 0
    graphs: int = 0


def read_external(path: Path) -> list[External]:
    """Return the external data that the ONNX at `path` names, in file order.

    Raises IntakeError for anything that is no sound ONNX: lengths beyond the file, nesting deeper than
    DEEPEST, negative or absurd dims, tensors whose bytes do not fit their shape; one that is something else, such as
    a Git LFS pointer, is named as that.
    """
    size = path.stat().st_size
    if not 0 < size <= LARGEST_PROTO_BYTES:
        raise IntakeError(
            f"{path.name}: {size} bytes, expected an ONNX of 1 to {LARGEST_PROTO_BYTES} bytes;"
            " fetch or export it again."
        )
    walk = Walk([MOST_FIELDS])
    try:
        with path.open("rb") as stream:
            mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        _walk("model", memoryview(mapped), walk, 0)
    except MalformedError as error:
        raise IntakeError(f"{path.name}: no sound ONNX ({error}); {what_to_do(path)}.") from None
    if walk.graphs == 0:
        raise IntakeError(f"{path.name}: no ONNX model (it has no graph); {what_to_do(path)}.")
    return walk.external


def _walk(kind: str, data: memoryview, walk: Walk, depth: int) -> None:
    if depth > DEEPEST:
        raise MalformedError(f"messages nested deeper than {DEEPEST}")
    children = CHILDREN.get(kind, {})
    walk.graphs += kind == "graph"
    for number, wire, value in fields(data, walk.budget):
        child = children.get(number)
        if kind == "dim" and number == 1 and wire == VARINT and signed(value) != FREE_DIM:
            _check_dim(signed(value), LARGEST_TENSOR_BYTES)
        if child is None:
            continue
        if wire != LENGTH:
            raise MalformedError(f"field {number} of a {kind} is not a message")
        if child == "tensor":
            _tensor(value, walk)
        else:
            _walk(child, value, walk, depth + 1)


def _check_dim(dim: int, largest: int) -> None:
    if not 0 <= dim <= largest:
        raise MalformedError(f"a dimension of {dim}")


@dataclass
class _Tensor:
    name: str = ""
    data_type: int = 0
    dims: list[int] = field(default_factory=list)
    raw_bytes: int | None = None
    is_external: bool = False
    entries: list[tuple[str, str]] = field(default_factory=list)


def _tensor(data: memoryview, walk: Walk) -> None:
    tensor = _Tensor()
    for number, wire, value in fields(data, walk.budget):
        if number == 1:
            tensor.dims += [signed(value)] if wire == VARINT else packed(value) if wire == LENGTH else []
        elif number == 2 and wire == VARINT:
            tensor.data_type = value
        elif number == 8 and wire == LENGTH:
            tensor.name = bytes(value[:200]).decode(errors="replace")
        elif number == 9 and wire == LENGTH:
            tensor.raw_bytes = len(value)
        elif number == 13 and wire == LENGTH:
            tensor.entries.append(_entry(value, walk))
        elif number == 14 and wire == VARINT:
            tensor.is_external = value != 0
    _check_tensor(tensor, walk)


def _check_tensor(tensor: _Tensor, walk: Walk) -> None:
    if len(tensor.dims) > MOST_DIMS:
        raise MalformedError(f"tensor {tensor.name!r} has {len(tensor.dims)} dimensions")
    for dim in tensor.dims:
        _check_dim(dim, LARGEST_TENSOR_BYTES)
    if tensor.data_type not in BITS and tensor.data_type != STRING:
        raise MalformedError(f"tensor {tensor.name!r} has the unknown data type {tensor.data_type}")
    needed = None
    if tensor.data_type in BITS:
        needed = math.ceil(math.prod(tensor.dims) * BITS[tensor.data_type] / 8)
        walk.tensor_bytes += needed
        if walk.tensor_bytes > LARGEST_TENSOR_BYTES:
            raise MalformedError(f"tensors of more than {LARGEST_TENSOR_BYTES} bytes in all")
    if tensor.is_external or tensor.entries:
        walk.external.append(_external(tensor, needed))
    elif tensor.raw_bytes is not None and needed != tensor.raw_bytes:
        raise MalformedError(f"tensor {tensor.name!r} has {tensor.raw_bytes} bytes, its shape needs {needed}")


def _entry(data: memoryview, walk: Walk) -> tuple[str, str]:
    found = {1: "", 2: ""}
    for number, wire, value in fields(data, walk.budget):
        if number in found and wire == LENGTH:
            found[number] = bytes(value[:4096]).decode(errors="replace")
    return found[1], found[2]


def _external(tensor: _Tensor, needed: int | None) -> External:
    entries = dict(tensor.entries)
    if len(entries) != len(tensor.entries) or not tensor.is_external or needed is None:
        raise MalformedError(f"tensor {tensor.name!r} has contradicting external data")
    numbers = {}
    for key in ("offset", "length"):
        text = entries.get(key, "")
        # int() also takes signs, spaces and underscores, which loaders read differently.
        if text and not (text.isascii() and text.isdigit() and len(text) <= 15):
            raise MalformedError(f"tensor {tensor.name!r} has the external {key} {text[:40]!r}")
        numbers[key] = int(text) if text else None
    return External(
        tensor.name, entries.get("location", ""), numbers["offset"] or 0, numbers["length"], needed
    )
