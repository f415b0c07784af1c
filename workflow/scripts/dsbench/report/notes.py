"""The notes of a report, which say where its numbers stand."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, is_dataclass, replace
from typing import Any, TypeVar

from dsbench.report.report_records import NumberSources
from dsbench.report.text import NotedFloat, NotedInt

R = TypeVar("R")
# So many lines of a file are listed one by one; of more, the first and the last.
MOST_LINES = 4


@dataclass(frozen=True)
class Note:
    """A file from which numbers of the report are, its SHA-256, and in words which of its lines."""

    file: str
    sha256: str
    lines: str


def with_notes(data: R, sources: NumberSources | None) -> tuple[R, list[Note]]:
    """Return the record `data` with a note at each number of a known source, and the notes in their order.

    A note reads [^NUMBER.LINES]. The tables of wall time, one for each step, have none.
    """
    if sources is None:
        return data, []
    places = {pointer: found[0] for pointer, found in sources.computed.items()} | sources.said
    lines: dict[str, list[str]] = {file: [] for file in sources.files if not file.endswith(".tsv")}
    for place in places.values():
        file, _, line = place.rpartition(":")
        if file in lines:
            lines[file].append(line)
    lines = {file: found for file, found in lines.items() if found}
    numbers = {file: number for number, file in enumerate(lines, 1)}
    notes = [Note(file, sources.files[file], _in_words(found)) for file, found in lines.items()]
    return _noted(data, "", places, numbers), notes


def _in_words(lines: Iterable[str]) -> str:
    """Return which lines those are, each a number or FIRST-LAST."""
    listed = sorted(set(lines), key=lambda line: int(line.partition("-")[0]))
    if len(listed) > MOST_LINES:
        ends = [int(end) for line in listed for end in line.split("-")]
        listed = [f"{min(ends)}-{max(ends)}"]
    is_one = len(listed) == 1 and "-" not in listed[0]
    return f"line{'' if is_one else 's'} {', '.join(listed).replace('-', ' to ')}"


def _noted(value: Any, pointer: str, places: Mapping[str, str], numbers: Mapping[str, int]) -> Any:
    """Return `value` with the notes of the numbers at and below its JSON pointer."""
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **_noted(vars(value), pointer, places, numbers))
    if isinstance(value, dict):
        names = {key: str(key).replace("~", "~0").replace("/", "~1") for key in value}
        return {
            key: _noted(entry, f"{pointer}/{names[key]}", places, numbers) for key, entry in value.items()
        }
    if isinstance(value, list | tuple):
        return [_noted(entry, f"{pointer}/{index}", places, numbers) for index, entry in enumerate(value)]
    file, _, line = places.get(pointer, "").rpartition(":")
    if file not in numbers:
        return value
    noted = NotedInt(value) if isinstance(value, int) else NotedFloat(value)
    noted.note = f"[^{numbers[file]}.{line}]"
    return noted
