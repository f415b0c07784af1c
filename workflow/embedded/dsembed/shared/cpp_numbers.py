"""Numbers as C++'s stoi, stof and stod read them, which is how trtexec reads its options."""

from __future__ import annotations

import math
import re

INTEGER = re.compile(r"\s*([+-]?\d+)")
REAL = re.compile(
    r"\s*([+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|inf(?:inity)?|nan))", re.IGNORECASE
)
INT_MAX = 2**31 - 1
FLOAT_MAX = 3.4028234663852886e38


def stoi(text: str) -> int:
    """Return the integer `text` begins with, junk after it unread; raises ValueError("stoi") without one."""
    found = INTEGER.match(text)
    if not found or not -INT_MAX - 1 <= int(found[1]) <= INT_MAX:
        raise ValueError("stoi")
    return int(found[1])


def stof(text: str) -> float:
    """Return the number `text` begins with, junk after it unread; raises ValueError("stof") without one."""
    return _real(text, "stof", FLOAT_MAX)


def stod(text: str) -> float:
    """Return the number `text` begins with, junk after it unread; raises ValueError("stod") without one."""
    return _real(text, "stod", math.inf)


def _real(text: str, function: str, largest: float) -> float:
    found = REAL.match(text)
    if not found:
        raise ValueError(function)
    value = float(found[1])
    if not math.isfinite(value) or abs(value) > largest:
        raise ValueError(function)  # inf and nan are numbers to C++, but no duration, rate or size is one
    return value
