"""The values of trtexec's options: how names, shapes, sizes and percentiles are written in them."""

from __future__ import annotations

import math
import os

from dsembed.engine.shapes import Dims
from dsembed.shared.cpp_numbers import OutOfRangeError, stod, stof, stoi

UNIT_BYTES = {"B": 1, "K": 2**10, "M": 2**20, "G": 2**30}
DIGITS = frozenset("0123456789")
WORKSPACE = "workspace"
OTHER_POOLS = ("dlaSRAM", "dlaLocalDRAM", "dlaGlobalDRAM", "tacticSharedMem")
DEFAULT_PERCENTILES = (90.0, 95.0, 99.0)
ENDLESS_S = -1


def switched_on(_value: str) -> bool:
    """Return True: `--flag=0` sets the flag too."""
    return True


def onnx_path(value: str) -> str:
    """Return the path with a leading ~ as the home folder, where the environment names one."""
    return os.environ.get("HOME", "~") + value[1:] if value.startswith("~") else value


def shapes(value: str) -> dict[str, Dims]:
    """Return {tensor name: dims} of `name:AxBxC[,name2:...]`; no number after the colon is a scalar.

    An item without a colon is name and dims at once. Raises ValueError and OutOfRangeError in trtexec's words.
    """
    pairs = (_name_and_value(item) for item in _split(value, ","))
    return {name: _dims(dims) for name, dims in pairs}


def input_files(value: str) -> dict[str, str]:
    """Return {tensor name: file} of `name:file[,name2:...]`; neither has a comma, and the file no colon."""
    return dict(map(_name_and_value, _split(value, ",")))


def profile_shapes(value: str) -> dict[str, Dims]:
    """Return what `shapes` returns; its ValueError says that the shapes of a profile were read."""
    try:
        return shapes(value)
    except ValueError as error:
        raise _conversion_failure(error, "minShapes/optShapes/maxShapes") from error


def workspace_bytes(value: str) -> float | None:
    """Return the bytes of `workspace:<size>`, None without one: the last character is the unit, a digit means MiB."""
    size_bytes = math.nan
    for item in _split(value, ","):
        try:
            pool, size = _name_and_value(item)
            found_bytes = _size_bytes(size)
        except ValueError as error:
            raise _conversion_failure(error, "--memPoolSize") from error
        if found_bytes < 0:
            raise ValueError(f"Negative memory pool size: {found_bytes:f}")
        if pool in OTHER_POOLS:
            raise ValueError(f"--memPoolSize={pool} is not supported by the embedded runtime; leave it out.")
        if pool not in (WORKSPACE, ""):
            raise ValueError(f"Unknown memory pool: {pool}")
        if pool:
            size_bytes = found_bytes
    return None if math.isnan(size_bytes) else size_bytes


def percentiles(value: str) -> tuple[float, ...]:
    """Return the percentiles in `value`, the default ones if it is empty."""
    found = tuple(stof(item) for item in _split(value, ","))
    for percentile in found:
        if percentile < 0 or percentile > 100:
            raise ValueError(f"Percentile {percentile:f}is not in [0,100]")
    return found or DEFAULT_PERCENTILES


def duration_s(value: str) -> float:
    """Return the seconds; raises ValueError for the two that never end."""
    seconds = stof(value)
    if seconds in (ENDLESS_S, math.inf):
        raise ValueError(
            f"--duration={value} (endless) is not supported by the embedded runtime; give seconds."
        )
    return seconds


def _split(text: str, separator: str) -> list[str]:
    return text.split(separator) if text else []


def _name_and_value(item: str) -> tuple[str, str]:
    """Return both sides of the last colon; with quotes, the name up to the second one and what follows its colon."""
    quoted = _split(item, "'")
    if len(quoted) == 3:
        if not quoted[2]:
            raise OutOfRangeError("basic_string::substr: __pos (which is 1) > this->size() (which is 0)")
        return quoted[0] + quoted[1], quoted[2][1:]
    if len(quoted) != 1:
        received = (len(quoted) - 1) % 2**64  # an empty item has no part, and the count is unsigned
        raise ValueError(
            f"Found invalid number of 's when parsing {item}. Expected: 2, received: {received}."
        )
    parts = item.split(":")
    return ":".join(parts[:-1] or parts), parts[-1]


def _dims(text: str) -> Dims:
    return () if text == "scalar" else tuple(stoi(dim) for dim in _split(text, "x"))


def _size_bytes(size: str) -> float:
    if not size:
        raise OutOfRangeError(
            f"basic_string::at: __n (which is {2**64 - 1}) >= this->size() (which is 0)",
        )
    number, unit = stod(size), "M" if size[-1] in DIGITS else size[-1].upper()
    if unit not in UNIT_BYTES:
        raise ValueError(f"Error parsing \"{size}\": invalid unit specifier '{unit}'.")
    return number * UNIT_BYTES[unit]


def _conversion_failure(error: ValueError, what: str) -> ValueError:
    return ValueError(f"{error} conversion failure: failed to parse {what}.")
