"""The fields of a protobuf message, read from bytes without building anything from them."""

from collections.abc import Iterator

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
LONGEST_VARINT_BYTES = 10
LARGEST_FIELD = (1 << 29) - 1


class MalformedError(ValueError):
    """Bytes that are no protobuf message, or declare more than there is."""


def fields(data: memoryview, budget: list[int]) -> Iterator[tuple[int, int, int | memoryview]]:
    """Yield number, wire type and value of each field: an integer, or the bytes of a LENGTH field.

    `budget[0]` counts down over all messages that share it. Raises MalformedError when it is used up, for a
    length beyond the message, for a broken number and for groups.
    """
    at, end = 0, len(data)
    while at < end:
        budget[0] -= 1
        if budget[0] < 0:
            raise MalformedError("more fields than a model has")
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if not 0 < number <= LARGEST_FIELD:
            raise MalformedError(f"field number {number}")
        if wire == VARINT:
            value, at = _varint(data, at)
        elif wire == LENGTH:
            length, at = _varint(data, at)
            if length > end - at:
                raise MalformedError(f"a field of {length} bytes where {end - at} are left")
            value, at = data[at : at + length], at + length
        elif wire in (FIXED64, FIXED32):
            width = 8 if wire == FIXED64 else 4
            if width > end - at:
                raise MalformedError("a number that is cut off")
            value, at = int.from_bytes(data[at : at + width], "little"), at + width
        else:
            raise MalformedError(f"wire type {wire}")
        yield number, wire, value


def signed(value: int) -> int:
    """Return a varint as the int64 it stands for."""
    return value - (1 << 64) if value >= 1 << 63 else value


def packed(data: memoryview) -> list[int]:
    """Return the integers of a packed repeated field."""
    values, at = [], 0
    while at < len(data):
        value, at = _varint(data, at)
        values.append(signed(value))
    return values


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    for position in range(at, min(at + LONGEST_VARINT_BYTES, len(data))):
        byte = data[position]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >= 1 << 64:
                raise MalformedError("a number above 64 bits")
            return value, position + 1
        shift += 7
    raise MalformedError("a number that does not end")
