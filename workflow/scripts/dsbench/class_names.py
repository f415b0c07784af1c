"""Which of the names that come with a model are its classes' names."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dsbench.detector import id2label_of
from dsbench.export_recipes import phrases_of
from dsbench.labels import Labels, LabelsError, label_names
from dsbench.source_labels import read_source_labels

# What transformers calls a class that nobody named.
PLACEHOLDER = re.compile(r"LABEL_\d+")


@dataclass(frozen=True)
class NameSources:
    """Where names may stand: two text files, the prompt, config.json, and the ONNX's metadata by class id."""

    config: Path
    labels_in_config: Path | None = None
    labels_of_source: Path | None = None
    prompt: str | None = None
    metadata: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ClassNames:
    """One name per class id with notes, and in words where they are from."""

    origin: str
    labels: Labels


def choose_names(sources: NameSources, class_count: int | None, background: int = 0) -> ClassNames:
    """Return the names of `class_count` classes, or of as many as are named where the tensors do not tell.

    What somebody wrote down for this model comes first. Of what lies inside its files it is the first that has
    real names for as many classes as the tensors, then for as many, then any. Raises LabelsError where the
    text file that the config names has another number of them, or just the first `background` classes, which
    are no objects, have no name.
    """
    if sources.labels_in_config is not None:
        origin, names = "labels: in the config", read_source_labels(sources.labels_in_config)
        _require_count(sources.labels_in_config, names, class_count)
    elif phrases := phrases_of(sources.prompt):
        origin, names = "the prompt", dict(enumerate(phrases))
    else:
        origin, names = _from_files(sources, class_count)
    labels = label_names(names, class_count or (max(names) + 1 if names else 0), background)
    return ClassNames(origin, Labels(labels.names, (*labels.notes, *_placeholder_notes(labels.names))))


def _from_files(sources: NameSources, class_count: int | None) -> tuple[str, Mapping[int, str]]:
    own = sources.labels_of_source
    found = {
        "config.json": id2label_of(sources.config),
        "labels.txt": read_source_labels(own) if own is not None else {},
        "the ONNX's metadata": sources.metadata,
    }
    named = [(origin, names) for origin, names in found.items() if names]
    fitting = [entry for entry in named if class_count in (None, max(entry[1]) + 1, len(entry[1]))]
    real = [entry for entry in fitting if not _placeholders(entry[1].values())]
    return next(iter([*real, *fitting, *named]), ("nowhere", {}))


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


def _require_count(file: Path, names: Mapping[int, str], class_count: int | None) -> None:
    if class_count is not None and len(names) != class_count:
        raise LabelsError(
            f"{file}: {len(names)} class names, but the model's tensors have {class_count} classes; expected one"
            " line for each of their columns in their order, a background in front of the classes among them,"
            " one behind them not."
        )
