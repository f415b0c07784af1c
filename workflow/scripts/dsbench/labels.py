"""Class names by class id, and labels.txt as nvinfer reads it."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dsbench.errors import BuildError
from dsbench.whole_file import write_whole

# nvinfer's label buffer is 128 bytes with its terminator.
MAX_LABEL_BYTES = 127


class LabelsError(BuildError):
    """Class names that do not fit the model's output."""


@dataclass(frozen=True)
class Labels:
    """One name per class id, and a sentence for everything that was not taken as it stood."""

    names: tuple[str, ...]
    notes: tuple[str, ...]


def harmless_label(text: str) -> str:
    """Return `text` as one line that nvinfer reads back unchanged: no `;`, no control character.

    It has at most MAX_LABEL_BYTES bytes and may be empty.
    """
    kept = (
        " " if unicodedata.category(char)[0] in "CZ" else "," if char == ";" else char
        for char in unicodedata.normalize("NFC", text)
    )
    line = " ".join("".join(kept).split())
    return line.encode()[:MAX_LABEL_BYTES].decode(errors="ignore").rstrip()


def first_field(line: str) -> str:
    """Return what nvinfer reads of a line of labels.txt as the detector's label: all before the first `;`."""
    return line.partition(";")[0]


def label_names(id2label: Mapping[int, str], class_count: int) -> Labels:
    """Return `class_count` names by class id; an id without a usable name is called `class_<id>`.

    Ids are never shifted and rows such as `N/A` stay, so that a name always belongs to its tensor column. Raises
    LabelsError where no class is known.
    """
    if class_count < 1:
        raise LabelsError(
            "Neither the tensors nor any file tell the model's classes; name a text file with one class per line"
            " with labels: in its entry."
        )
    names = [harmless_label(id2label.get(index, "")) for index in range(class_count)]
    notes = []
    unnamed = [index for index, name in enumerate(names) if not name]
    if unnamed:
        notes.append(f"No name for {len(unnamed)} of {class_count} classes (first id {unnamed[0]}).")
    altered = [index for index, name in enumerate(names) if name and name != id2label[index]]
    if altered:
        notes.append(f"{len(altered)} names altered so that nvinfer can read them (first id {altered[0]}).")
    outside = sorted(index for index in id2label if not 0 <= index < class_count)
    if outside:
        notes.append(f"{len(outside)} named ids have no tensor column (first id {outside[0]}).")
    return Labels(tuple(name or f"class_{index}" for index, name in enumerate(names)), tuple(notes))


def write_labels(names: Sequence[str], path: Path) -> None:
    """Write labels.txt, one name per class id; raises LabelsError if nvinfer would read other names."""
    for index, name in enumerate(names):
        if not name or name != harmless_label(name):
            raise LabelsError(f"{path}: class {index} is named {name!r}, which nvinfer reads otherwise.")
    write_whole(path, "".join(f"{name}\n" for name in names))


def read_labels(path: Path) -> list[str]:
    """Return the detector labels as nvinfer reads them: the first `;` field of each line not blank."""
    try:
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LabelsError(f"{path}: no UTF-8 text ({error}); expected one class name per line.") from error
    return [first_field(line) for line in text.split("\n") if line]
