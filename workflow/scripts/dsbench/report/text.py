"""Values as Markdown that renders as the same characters and nothing else."""

import math
import re
import unicodedata
from collections.abc import Sequence

NOT_MEASURED = "not measured"
_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_CODE_SAFE = re.compile(r"[\w ./:+=,@%()\[\]#{};&\"'*-]+")


class NotedInt(int):
    """A count with the `note` that is printed behind it."""

    note: str


class NotedFloat(float):
    """A number with the `note` that is printed behind it."""

    note: str


class Markdown(str):
    """Text that is Markdown already, so it is not escaped again."""

    __slots__ = ()


def plain(value: object) -> str:
    """Return `value` as one line: controls, bidi marks and line breaks become single spaces."""
    visible = "".join(" " if unicodedata.category(c) in _UNSEEN else c for c in str(value))
    return " ".join(visible.split())


def text(value: object) -> Markdown:
    """Return `value` as one line that no Markdown renderer reads as markup, link, HTML or table border."""
    line = plain(value).replace("&", "&amp;").replace("<", "&lt;")
    line = re.sub(r"([\\`*\[\]|#~$]|(?<![^\W_])_|_(?![^\W_]))", lambda found: f"&#{ord(found[1])};", line)
    # GitHub turns bare addresses into links; a line that starts like a quote or list item becomes one.
    line = line.replace("://", "&#58;//").replace("www.", "www&#46;")
    line = re.sub(r"^(\d+(?=[.)](?:\s|$))|)([->+=.)])", lambda found: f"{found[1]}&#{ord(found[2])};", line)
    return Markdown(line)


def apart(value: object) -> Markdown:
    """Return `value` as text that keeps its place in a list, also where it is read from right to left."""
    line = text(value)
    return line if line.isascii() else Markdown(f"{line}&lrm;")


def code(value: object) -> Markdown:
    """Return `value` as a code span, or as escaped text where a code span could be broken; None as text."""
    if value is None:
        return Markdown(NOT_MEASURED)
    line = plain(value)
    return Markdown(f"`{line}`") if _CODE_SAFE.fullmatch(line) else text(line)


def fence(value: str) -> Markdown:
    """Return the lines of `value` as a fenced shell block that they cannot close."""
    lines = value.replace("\r\n", "\n").expandtabs().split("\n")
    lines = ["".join("\ufffd" if unicodedata.category(c) in _UNSEEN else c for c in line) for line in lines]
    body = "\n".join(lines).strip("\n")
    longest = max((len(run) for run in re.findall(r"`+", body)), default=0)
    bars = "`" * max(3, longest + 1)
    return Markdown(f"{bars}sh\n{body}\n{bars}")


def switch(value: bool | None) -> Markdown:
    """Return "on" or "off"; None as "not measured"."""
    return Markdown(NOT_MEASURED if value is None else "on" if value else "off")


def number(value: float | None, decimals: int = 0, unit: str = "") -> Markdown:
    """Return `value` with thousands separators, `decimals` places, its note and its unit; None as "not measured"."""
    if value is None:
        return Markdown(NOT_MEASURED)
    if not math.isfinite(value):
        raise ValueError(f"{value} is not a number that can be reported; expected a finite one or null")
    note = value.note if isinstance(value, NotedInt | NotedFloat) else ""
    return Markdown(f"{value:,.{decimals}f}{note} {unit}".rstrip())


def spread(value: float | None, uncertainty: float | None, decimals: int) -> Markdown:
    """Return `value` with its spread behind ±, where that is known."""
    shown = number(value, decimals)
    if value is None or uncertainty is None:
        return shown
    # A count is known to less than one where it is rounded down from a rate.
    return Markdown(f"{shown} ± {number(uncertainty, max(decimals, 1))}")


def change(percent: float | None) -> Markdown:
    """Return a difference in percent with its sign; None as nothing, as of a value that was 0."""
    return Markdown("" if percent is None else f"{percent:+.1f} %")


def count(value: int, noun: str) -> Markdown:
    """Return `value` with its noun, in the plural unless it is 1."""
    return Markdown(f"{value:,} {noun}{'' if value == 1 else 's'}")


def shape(dimensions: Sequence[int | str]) -> Markdown:
    """Return tensor dimensions as `batch x 3 x 320 x 320`."""
    return Markdown(" x ".join(text(dimension) for dimension in dimensions))


def finalize(value: object) -> str:
    """Return what a template expression prints: Markdown as it is, everything else escaped."""
    if isinstance(value, Markdown):
        return value
    if value is None:
        return NOT_MEASURED
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else text(value)
