"""Which of the names that come with a model are its classes' names: proven by their number, or the build stops."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from dsbench.families.detector import id2label_of
from dsbench.families.family import HeadFacts
from dsbench.intake.labels import (
    NO_NAME,
    Labels,
    LabelsError,
    harmless_label,
    label_names,
    read_source_labels,
)
from dsbench.onnx.export_recipes import phrases_of

# What transformers and Ultralytics call a class that nobody named.
PLACEHOLDER = re.compile(r"LABEL_\d+|class\d+")
# What a background is called, without case, blanks and dashes. A thing may be called "other": that means a background
# only at a column that is proven to be one.
NO_THING = {
    "bg",
    "background",
    "backgroundclass",
    "noobject",
    "noclass",
    "unlabeled",
    "unlabelled",
    "ignore",
    "void",
}
BACKGROUND_NAMES = NO_THING | {"other", "others"}
COCO_CLASSES, COCO_COLUMNS = 80, (90, 91, 92)
SHOWN_CHARACTERS = 40
REMEDY = "name a text file with one line for each of the tensors' classes with labels: in the model's entry"


@dataclass(frozen=True)
class NameSources:
    """Where names may stand: text files, the prompt, config.json, and the ONNX's metadata by key and class id."""

    config: Path | None
    labels_in_config: Path | None = None
    labels_of_source: Path | None = None
    prompt: str | None = None
    metadata: Mapping[str, Mapping[int, str]] = field(default_factory=dict)

    def found(self) -> list["Named"]:
        """Return every list of names, those with real names first: what the entry says is the only one."""
        if self.labels_in_config is not None:
            names = read_source_labels(self.labels_in_config)
            return [Named("labels: in the config", str(self.labels_in_config), names)]
        if phrases := phrases_of(self.prompt):
            return [Named("the prompt", "the prompt", dict(enumerate(phrases)))]
        own = self.labels_of_source
        found = [
            Named("config.json", str(self.config), {} if self.config is None else id2label_of(self.config)),
            Named("labels.txt", str(own), {} if own is None else read_source_labels(own)),
        ]
        for key, stored in self.metadata.items():
            found.append(Named("the ONNX's metadata", f"the ONNX's metadata ({key})", stored))
        return sorted((named for named in found if named.names), key=lambda named: not named.is_real)


@dataclass(frozen=True)
class Named:
    """Class names by class id: where they are from in short, the place for a sentence, and whether they are real."""

    origin: str
    place: str
    names: Mapping[int, str]

    @property
    def count(self) -> int:
        """The number of classes that the ids reach over."""
        return max(self.names) + 1

    @property
    def is_real(self) -> bool:
        """Whether anything but placeholders is named."""
        return len(_placeholders(self.names.values())) < len(self.names)

    def real_name(self, index: int) -> str:
        """Return a class's name to compare: without case, blanks and dashes; empty for one that says nothing."""
        name = harmless_label(self.names.get(index, ""))
        compared = _compared(name)
        is_empty = PLACEHOLDER.fullmatch(name) or NO_NAME.fullmatch(name) or compared in NO_THING
        return "" if is_empty else compared

    def may_be_background(self, index: int) -> bool:
        """Tell whether a class has no name or one that a background may have."""
        name = harmless_label(self.names.get(index, ""))
        return bool(NO_NAME.fullmatch(name)) or _compared(name) in BACKGROUND_NAMES


@dataclass(frozen=True)
class Columns:
    """The classes that the tensors have: how many, None where they do not tell, and what is proven of a background.

    The first `in_front` of them are background; `behind` is whether one follows them. `largest_seen` is the largest
    class id in an answer of the model.
    """

    count: int | None
    in_front: int = 0
    behind: bool = False
    largest_seen: int | None = None

    @classmethod
    def of(cls, head: HeadFacts) -> Self:
        """Return them as the ONNX has them."""
        first = int(head.settings.get("first_class", 0))
        return cls(head.class_count, first, head.background_behind, head.largest_class)

    def fit(self, named: Named) -> bool:
        """Tell whether each name can stand at its column: ids may have gaps, and a background may have a name."""
        if self.count is None:
            return self.largest_seen is None or self.largest_seen < named.count
        is_background = self.behind and named.may_be_background(max(named.names))
        return named.count == self.count or (is_background and named.count == self.count + 1)


@dataclass(frozen=True)
class LabelsOrigin:
    """What labels_origin.json says: in words where the class names are from, and notes."""

    origin: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class ClassNames:
    """One name per class id with notes, and in words where they are from."""

    origin: str
    labels: Labels


def choose_names(sources: NameSources, columns: Columns) -> ClassNames:
    """Return the names of the tensors' classes, or of as many as are named where the tensors do not tell.

    What somebody wrote down for this model, in its entry, is the only source; of what lies inside its files it is the
    first with real names for as many classes as the tensors. Only where nothing has a real name are classes numbered.

    Raises LabelsError where no real names have the tensors' number of classes, where two that have it differ, and where
    the background in front of the classes is called a thing.
    """
    found = sources.found()
    fitting = [named for named in found if columns.fit(named)]
    real = [named for named in found if named.is_real]
    if real and not any(named.is_real for named in fitting):
        raise LabelsError(_misfit(real, columns))
    for other in fitting[1:]:
        _refuse_contradiction(fitting[0], other)
    for named in fitting:
        _refuse_named_background(named, columns.in_front)
    chosen = next(iter(fitting), Named("nowhere", "nowhere", {}))
    labels = label_names(chosen.names, columns.count or (chosen.count if chosen.names else 0))
    notes = [
        f"The {named.count} names in {named.place} are not taken: the model has {len(labels.names)} classes."
        for named in real
        if named not in fitting
    ]
    return ClassNames(
        chosen.origin, Labels(labels.names, (*labels.notes, *_placeholder_notes(labels.names), *notes))
    )


def _misfit(real: list[Named], columns: Columns) -> str:
    """Return the sentence for names of which none are as many as the classes, with the likely cause."""
    said = " and ".join(f"{named.place}: {len(named.names)} class names{_ids(named)}" for named in real)
    if columns.count is None:
        return (
            f"{said}, but the model answers with class {columns.largest_seen}. Its class ids may be COCO's, which have"
            f" gaps, or begin at 1; {REMEDY}, N/A for those it leaves out."
        )
    cause = _cause(real[0], columns.count, columns.in_front)
    return f"{said}, but the model's tensors have {columns.count} classes. {cause}; {REMEDY}."


def _ids(named: Named) -> str:
    first, last = min(named.names), max(named.names)
    return "" if first == 0 and named.count == len(named.names) else f" (ids {first} to {last})"


def _cause(named: Named, count: int, in_front: int) -> str:
    """Return what most often lies behind two such counts; which it is, only who trained the model knows."""
    spare = count - len(named.names)
    if in_front and spare == in_front:
        return f"The first {in_front} of them is background: begin the names with a line for it, such as BG"
    if COCO_CLASSES in (count, len(named.names)) and {count, named.count} & set(COCO_COLUMNS):
        return "COCO's 80 classes have ids up to 90 with gaps: one side has the gaps, the other has not"
    if min(named.names) == 1 and spare == 0:
        return "The ids of the names begin at 1, those of the columns at 0: nothing says which column is the first's"
    if spare == 1:
        return (
            "One column has no name: a background in front of the classes or behind them, or column 0 where ids begin"
            " at 1; nothing says at which end it is"
        )
    if spare == -1:
        return "One name has no column: a background that the tensors leave out, or a heading among the names"
    return "The names may be of another model or data set, or family: may be wrong"


def _refuse_contradiction(first: Named, second: Named) -> None:
    """Raise LabelsError where two lists of names that both fit name a class otherwise."""
    if first.is_real and second.is_real and first.count != second.count:
        theirs = [index for index in (*first.names, *second.names) if min(first.count, second.count) <= index]
        if any(first.real_name(index) or second.real_name(index) for index in theirs):
            raise LabelsError(
                f"{first.place} names {first.count} classes, {second.place} names {second.count}, and the tensors do"
                f" not tell which is right; {REMEDY}."
            )
    names = [(index, first.real_name(index), second.real_name(index)) for index in sorted(first.names)]
    different = [index for index, one, other in names if one and other and one != other]
    if different:
        index = different[0]
        one, other = (harmless_label(named.names[index])[:SHOWN_CHARACTERS] for named in (first, second))
        raise LabelsError(
            f"{first.place} calls class {index} {one!r}, {second.place} calls it {other!r}"
            f" ({len(different)} of {len(first.names)} names differ); {REMEDY}, which then is the only one."
        )


def _refuse_named_background(named: Named, in_front: int) -> None:
    """Raise LabelsError where a background in front of the classes has the name of a thing."""
    for index in range(in_front):
        if named.real_name(index) and not named.may_be_background(index):
            name = harmless_label(named.names[index])[:SHOWN_CHARACTERS]
            raise LabelsError(
                f"{named.place} calls class {index} {name!r}, but column {index} of the model is background; where that"
                " name means the background, rename that line to BG, else put a line BG before it and take the line"
                " out that then has no column."
            )


def _compared(name: str) -> str:
    """Return a name without case, blanks and dashes."""
    return re.sub(r"[\s_-]", "", name.casefold())


def _placeholders(names: Iterable[str]) -> list[str]:
    return [name for name in names if PLACEHOLDER.fullmatch(name)]


def _placeholder_notes(names: tuple[str, ...]) -> list[str]:
    placeholders = _placeholders(names)
    if not placeholders:
        return []
    return [
        f"{len(placeholders)} of {len(names)} names are placeholders (first {placeholders[0]});"
        " name a text file with one class per line with labels: in the model's entry."
    ]
