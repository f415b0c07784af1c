"""Numbers as C++'s stoi, stof and stod read them, which is how trtexec reads its options."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable

FLOAT_MAX = 3.4028234663852886e38
INT32_RANGE = range(-(2**31), 2**31)

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.strtol.restype = ctypes.c_long
LIBC.strtof.restype = ctypes.c_float
LIBC.strtod.restype = ctypes.c_double


class OutOfRangeError(Exception):
    """C++'s out_of_range, which trtexec does not catch among the faults of a command line."""


def stoi(text: str) -> int:
    """Return the integer `text` begins with, junk after it unread; raises ValueError("stoi") without one.

    Raises OutOfRangeError("stoi") beyond 32 bits.
    """
    number = _leading_number(text, "stoi", LIBC.strtol, 10)
    if number not in INT32_RANGE:
        raise OutOfRangeError("stoi")
    return int(number)


def stof(text: str) -> float:
    """Return the number `text` begins with, rounded to 32 bits; raises as `stod` does, saying "stof"."""
    return _leading_number(text, "stof", LIBC.strtof)


def stod(text: str) -> float:
    """Return the number `text` begins with, junk after it unread; raises ValueError("stod") without one.

    Hexadecimals, inf and nan are numbers. Raises OutOfRangeError("stod") for one too large or too near 0.
    """
    return _leading_number(text, "stod", LIBC.strtod)


def _leading_number(text: str, function: str, read: Callable[..., float], *base: int) -> float:
    buffer = ctypes.create_string_buffer(os.fsencode(text))
    end = ctypes.c_void_p()
    ctypes.set_errno(0)
    number = read(buffer, ctypes.byref(end), *base)
    if end.value == ctypes.addressof(buffer):
        raise ValueError(function)
    if ctypes.get_errno() == errno.ERANGE:
        raise OutOfRangeError(function)
    return number
