"""Class names as people keep them, read within limits and made harmless, and labels.txt as nvinfer reads it."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dsbench.core.errors import BuildError
from dsbench.core.files import ForeignFileError, read_foreign_text, write_whole
from dsbench.intake.file_choice import IntakeError
from dsbench.intake.model_bounds import MOST_CLASSES
from dsbench.intake.name_trees import KEYS, distinct_pairs, names_in_literal, names_in_yaml

# nvinfer's label buffer is 128 bytes with its terminator.
MAX_LABEL_BYTES = 127
LARGEST_BYTES = 4 << 20
# Many times a label; longer ones would cost the search for ids, and the sorting of combining marks, their speed.
LONGEST_LINE = 1000
# Where an exporter's metadata has the names.
KEYS_OF_METADATA = ("names", "class_names", "labels", "classes", "character")
YAML = re.compile(rf"^[ \t]*({'|'.join(KEYS)})[ \t]*:", re.MULTILINE)
# A list or mapping in brackets, cut short or not; a class may well be called [unknown] or (other).
TREE = re.compile(r"(?s)[\[{].*[\]}]\Z|[\[{]\s*([\"'\d]|\Z)|\(\s*[\"'].*\)\Z")
# In metadata one word is a remark, not a list.
LIST = re.compile(r"[\n,;\[{]")
# Behind : = or a tab a number is an id. Elsewhere it is one where the numbers count on from 0 or 1 and each name is
# another, which tells `1 car` from `1 euro` and `0,car` from `0,5 l`.
ID_FIRST = re.compile(r"(\d{1,6})\s*(?:[:=|\t]|->)\s*(.*)")
ID_BEFORE_BLANK = re.compile(r"(\d{1,6})(?:[.)]?\s|\s*[,;])\s*([^\s\d;].*)")
ID_LAST = re.compile(r"(.*\S)(?:\s*+[:=,]|[^\S\t]*+\t)\s*+(\d{1,6})")
# A table with more columns than an id and a name; behind `0:` a comma is the name's own.
MORE_COLUMNS = re.compile(
    r"\d{1,6}\s*([,|\t])[^,|\t]*\1.*|(?!\d{1,6}\s*(?:[:=]|->))[^,|\t]*([,|\t])[^,|\t]*\2\s*(?P<last>\d{1,6})"
)
# What stands where an id has no class, and may stand there again: N/A, ???, -.
NO_NAME = re.compile(r"n/?a|none|null|[?._-]*", re.IGNORECASE)
# Signs between the names of one line, Chinese ones too; bullets before names, one on each line.
SEPARATORS, BULLETS = ";,\uff0c\u3001", ("- ", "* ", "\u2022 ")
# Lines of remarks at the beginning, in Python, C++ and others.
REMARKS = re.compile(r"\A(?:(?:#|//)[^\n]*\n\s*)*")
# A list that a line of Python, C++, JavaScript or TOML gives a name to, there perhaps in a section.
ASSIGNED = re.compile(
    r"(?s)(?:\[[\w .-]+\][ \t]*\n\s*)?[\w \t:.,<>*&\[\]]*=\s*([\[{].*[\]}]|\(\s*[\"'].*\))\s*;?"
)
# One such list among other lines of code.
IN_CODE = re.compile(r"(?m)^[\w \t:.,<>*&\[\]]*=[ \t]*[\[{(]\s*[\"'{]")
# Names of columns, or of a section, before lines with ids.
HEADING = re.compile(r"[a-z_ ]+([,;:\t][a-z_ ]+)+|\[[\w .-]+\]", re.IGNORECASE)
# What is a file of another kind, by how it begins.
OTHER_KINDS = (
    (
        re.compile(r"\s*version https://git-lfs"),
        "a Git LFS pointer instead of the file; fetch it with git lfs pull",
    ),
    (
        re.compile(r"\s*<(!doctype|html|\?xml|!--|(\w+)\b[^>]*>.*</\2>)", re.IGNORECASE | re.DOTALL),
        "a web page or XML; save the text file itself",
    ),
    (
        re.compile(r"\s*(?:#[^\n]*\n\s*)*item\s*\{", re.IGNORECASE),
        "a TensorFlow label map; write its names by id, as in 1: person",
    ),
    (
        re.compile(r"(?ms)(?=.*^classes[ \t]*=[ \t]*\d)(?=.*^names[ \t]*=[ \t]*[^\s\[{])"),
        "a Darknet .data file, which has no names; name the file that stands behind its names =",
    ),
    (
        re.compile(r"(?ms)(?=.*^<{7} )(?=.*^>{7} )"),
        "a file with Git's marks of a conflict; keep one of the two sides",
    ),
    (
        re.compile(r"(?s)([^\0]\0){2}|(\0[^\0]){2}"),
        "UTF-16 text; save it as UTF-8, one class name per line",
    ),
)


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
        for char in unicodedata.normalize("NFC", text.strip()[:LONGEST_LINE])
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
    if class_count > MOST_CLASSES:
        raise LabelsError(
            f"The model has {class_count} classes, expected at most {MOST_CLASSES}; this is no object detector."
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


def read_source_labels(path: Path) -> dict[int, str]:
    """Return the class names by class id, each harmless, in whichever usual form the file has them.

    Raises IntakeError for a file that is no list of names.
    """
    try:
        text = read_foreign_text(path, LARGEST_BYTES)
    except ForeignFileError as error:
        raise IntakeError(
            f"{error}; expected a text file of at most {LARGEST_BYTES >> 20} MiB in UTF-8, one class name per line."
        ) from None
    return parse_names(text, str(path))


def names_by_key(metadata: Mapping[str, str]) -> dict[str, dict[int, str]]:
    """Return the class names by class id for each usual key of an ONNX's metadata that holds a list of them."""
    found = {}
    for key in KEYS_OF_METADATA:
        stated = metadata.get(key, "")
        if len(stated) > LARGEST_BYTES or not LIST.search(stated):
            continue
        try:
            names = parse_names(stated, f"metadata {key}")
        except IntakeError:
            continue
        # Other keys than Ultralytics' hold numbers too: how many classes, which of them.
        if key == "names" or any(char.isalpha() for name in names.values() for char in name):
            found[key] = names
    return found


def parse_names(text: str, place: str) -> dict[int, str]:
    """Return the class names by class id that `text` lists, each harmless; `place` stands in errors.

    A list may be lines, of which nvinfer's first field up to a semicolon counts, one line with commas or semicolons
    between the names, lines with their ids, JSON, a Python literal, or YAML. A blank line inside keeps its class id.
    Raises IntakeError where it is none of these, or an id occurs twice.
    """
    for begins, kind in OTHER_KINDS:
        if begins.match(text):
            raise IntakeError(f"{place}: {kind}.")
    # A file of an old Mac has no other line ends; beside others a carriage return is a blank.
    text = text.replace("\r\n", "\n") if "\n" in text else text.replace("\r", "\n")
    stripped = REMARKS.sub("", text.strip(), count=1)
    if assigned := ASSIGNED.fullmatch(stripped):
        stripped = assigned[1]
    if TREE.match(stripped):
        found = names_in_literal(stripped, place)
    elif YAML.search(text):
        found = names_in_yaml(text, place)
    elif IN_CODE.search(text):
        raise IntakeError(f"{place}: a list of names among other lines of code; keep the list alone.")
    else:
        found = _of_lines(text, place)
    outside = [index for index in found if not 0 <= index < MOST_CLASSES]
    if outside or len(found) > MOST_CLASSES:
        says = f"the class id {outside[0]}" if outside else f"{len(found)} lines"
        raise IntakeError(f"{place}: {says}, expected at most {MOST_CLASSES} class names, with ids from 0.")
    names = {index: harmless_label(name) for index, name in found.items()}
    if not any(names.values()):
        raise IntakeError(f"{place}: holds no class name; write one per line.")
    return names


def _of_lines(text: str, place: str) -> dict[int, str]:
    lines = _without_heading(text.rstrip().split("\n"), place)
    if len(lines) == 1 and (marks := [mark for mark in SEPARATORS if mark in lines[0].rstrip(SEPARATORS)]):
        parts = lines[0].rstrip(f" {SEPARATORS}").split(marks[0])
        numbered_parts = [ID_FIRST.fullmatch(part.strip()) for part in parts]
        # Behind `0:` alone a comma is the name's own.
        lines = parts if all(numbered_parts) or not numbered_parts[0] else lines
    lines = [line.strip()[:LONGEST_LINE] for line in lines]
    # Of a table with semicolons the first field is the id, which as nvinfer's name would be a number.
    numbered = _numbered(lines, place) if any(";" in line for line in lines) else None
    if numbered is not None:
        return {index: first_field(name).strip() for index, name in numbered.items()}
    lines = [first_field(line).strip() for line in lines]
    for bullet in BULLETS:
        if all(line.startswith(bullet) for line in lines if line):
            lines = [line.removeprefix(bullet) for line in lines]
    if len(lines) > 1 and all(line.endswith(",") for line in lines[:-1]):
        lines = [line.removesuffix(",") for line in lines]
    numbered = _numbered(lines, place)
    names = dict(enumerate(lines)) if numbered is None else numbered
    quoted = all(
        len(name) > 1 and name[0] == name[-1] and name[0] in "\"'" for name in names.values() if name
    )
    return {index: name[1:-1] for index, name in names.items()} if quoted else names


def _without_heading(lines: list[str], place: str) -> list[str]:
    """Return the lines less remarks and a heading before them; refuse a remark between the names.

    nvinfer takes each of these lines for a class, so a remark in the middle may be one.
    """
    comments = [line.lstrip().startswith("#") for line in lines]
    if all(comments):
        return lines
    first = comments.index(False)
    if any(comments[first:]):
        number = comments.index(True, first) + 1
        raise IntakeError(
            f"{place}: line {number} begins with #, a remark to people and a class to nvinfer; remove or rename it."
        )
    lines = lines[first:]
    if len(lines) > 1 and HEADING.fullmatch(lines[0].strip()):
        numbered = _numbered([line.strip()[:LONGEST_LINE] for line in lines[1:]], place)
        return lines[1:] if numbered else lines
    return lines


def _numbered(lines: list[str], place: str) -> dict[int, str] | None:
    """Return the names by the ids that stand on the lines, None where there are none; refuse a mixture."""
    written = [line for line in lines if line]
    rows = [row for line in written if (row := MORE_COLUMNS.fullmatch(line))]
    last = [int(row["last"]) for row in rows if row["last"]]
    if rows and len(rows) == len(written) and (not last or _counts_on(last)):
        raise IntakeError(
            f"{place}: a table with more columns than an id and a name, as in {written[0][:40]!r}; keep these two,"
            " as in 0: person."
        )
    first = [ID_FIRST.fullmatch(line) for line in written]
    numbered = [line for line in first if line]
    if len(numbered) == len(written):
        return distinct_pairs([(int(line[1]), line[2].strip()) for line in numbered], place)
    if sum(":" in line[0] for line in numbered) > len(written) / 2:
        odd = written[first.index(None)]
        raise IntakeError(
            f"{place}: {odd[:40]!r} has no class id before it, as the other lines have; add it."
        )
    for pattern, number, name in ((ID_BEFORE_BLANK, 1, 2), (ID_LAST, 2, 1)):
        found = [match for line in written if (match := pattern.fullmatch(line))]
        if len(found) == len(written):
            named = {int(line[number]): line[name].strip() for line in found}
            told = [text for text in named.values() if not NO_NAME.fullmatch(text)]
            each_once = told and len(set(told)) == len(told)
            if len(found) > 1 and each_once and _counts_on([int(line[number]) for line in found]):
                return named
    return None


def _counts_on(ids: list[int]) -> bool:
    """Tell whether the numbers are 0, 1, 2 or 1, 2, 3 and so on."""
    return bool(ids) and ids[0] in (0, 1) and ids == list(range(ids[0], ids[0] + len(ids)))
