"""The header of a safetensors file, judged before torch sees the file."""

import math
from pathlib import Path

from dsbench.file_choice import IntakeError
from dsbench.foreign_files import what_to_do
from dsbench.json_intake import parse_json

LENGTH_BYTES = 8
LARGEST_HEADER_BYTES = 25_000_000
MOST_TENSORS = 200_000
MOST_DIMS = 16
LARGEST_DIM = 1 << 40
BITS = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
    "F4": 4,
}


def check_safetensors(path: Path) -> dict[str, list[int]]:
    """Return the shape of each tensor by name.

    Raises IntakeError unless the header is within the file and the tensors fill the rest without gap or overlap.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(LENGTH_BYTES), "little")
        if size < LENGTH_BYTES or length > min(size - LENGTH_BYTES, LARGEST_HEADER_BYTES):
            raise IntakeError(
                f"{path.name}: states a header of {length} bytes in a file of {size}, at most"
                f" {LARGEST_HEADER_BYTES} are read; {what_to_do(path, 'fetch it again')}."
            )
        header = parse_json(stream.read(length), path.name)
    if not isinstance(header, dict):
        raise _fault(path, "its header is no JSON object")
    _check_metadata(header.pop("__metadata__", {}), path)
    if not 0 < len(header) <= MOST_TENSORS:
        raise _fault(path, f"{len(header)} tensors, expected 1 to {MOST_TENSORS}")
    spans = sorted(_span(name, entry, path) for name, entry in header.items())
    at = 0
    for begin, end, name in spans:
        if begin != at:
            raise _fault(path, f"tensor {name[:80]!r} begins at {begin}, expected {at} (a gap or an overlap)")
        at = end
    if at != size - LENGTH_BYTES - length:
        raise _fault(path, f"its tensors end at {at}, the data at {size - LENGTH_BYTES - length}")
    return {name: entry["shape"] for name, entry in header.items()}


def _fault(path: Path, found: str) -> IntakeError:
    return IntakeError(f"{path.name}: no sound safetensors file: {found}; fetch or save it again.")


def _check_metadata(metadata: object, path: Path) -> None:
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise _fault(path, "__metadata__ is not an object of texts")


def _span(name: str, entry: object, path: Path) -> tuple[int, int, str]:
    shown = f"tensor {name[:80]!r}"
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise _fault(path, f"{shown} lacks dtype, shape or data_offsets, or has more")
    bits = BITS.get(entry["dtype"]) if isinstance(entry["dtype"], str) else None
    if bits is None:
        raise _fault(path, f"{shown} has the unknown dtype {str(entry['dtype'])[:40]!r}")
    shape, offsets = entry["shape"], entry["data_offsets"]
    if not _whole(shape) or len(shape) > MOST_DIMS:
        raise _fault(path, f"{shown} has the shape {str(shape)[:80]}")
    if not _whole(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise _fault(path, f"{shown} has the data_offsets {str(offsets)[:80]}")
    needed = math.prod(shape) * bits
    if needed != 8 * (offsets[1] - offsets[0]):
        raise _fault(path, f"{shown} has {offsets[1] - offsets[0]} bytes, its shape needs {needed // 8}")
    return offsets[0], offsets[1], name


def _whole(values: object) -> bool:
    return isinstance(values, list) and all(type(n) is int and 0 <= n <= LARGEST_DIM for n in values)
