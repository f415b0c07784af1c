"""Which detector a config.json describes."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dsbench.core.errors import BuildError, closest
from dsbench.families.declared import LIST, families
from dsbench.families.family import Family
from dsbench.intake.file_choice import printable
from dsbench.intake.model_bounds import MOST_CLASSES

CLASS_ID = re.compile(r"-?[0-9]{1,9}")


class NotADetectorError(BuildError):
    """A model whose architecture is not on the list of object detectors that can be built."""


class UnsupportedHeadError(BuildError):
    """A detector of a known architecture whose head the family's parser does not decode."""


@dataclass(frozen=True)
class Detector:
    """A model that can be built: its architecture, its family, and the class names its config gives by id."""

    architecture: str
    model_type: str
    family: Family
    id2label: Mapping[int, str]


def read_detector(path: Path) -> Detector:
    """Return the detector that the config.json at `path` describes.

    Raises NotADetectorError naming the architecture when it is not an object detector of a known family,
    UnsupportedHeadError when it is one but with a head that the family's parser does not decode.
    """
    config = _read(path)
    family, architecture = _family(config, path)
    for key, expected in family.required_config.items():
        if config.get(key, expected) != expected:
            raise UnsupportedHeadError(
                f"{path}: {key} is {printable(repr(config[key]))}; {family.head.parser_source} decodes only"
                f" {key} {expected!r}."
            )
    return Detector(architecture, family.architectures[architecture], family, _id2label(config, path))


def id2label_of(path: Path) -> dict[int, str]:
    """Return the class names by class id that the config.json at `path` gives, whatever else it says."""
    return _id2label(_read(path), path)


def _read(path: Path) -> dict:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BuildError(f"{path}: not a readable JSON file ({error}); expected a config.json.") from error
    if not isinstance(config, dict):
        raise BuildError(f"{path}: found a JSON {type(config).__name__}, expected an object.")
    return config


def _family(config: dict, path: Path) -> tuple[Family, str]:
    architectures = config.get("architectures")
    model_type = config.get("model_type")
    known = {name: (family, kind) for family in families() for name, kind in family.architectures.items()}
    if isinstance(architectures, list) and architectures:
        found = [printable(str(name)) for name in architectures]
        matching = [name for name in known if name in found]
    else:
        found = [f"no architectures, model_type {printable(repr(model_type))}"]
        matching = [name for name, (_, kind) in known.items() if kind == model_type]
    if len(matching) != 1:
        raise NotADetectorError(
            f"{path}: {', '.join(found)[:200]} is not an object detector that can be built; "
            f"{closest(found[0], known, LIST)}."
        )
    if "auto_map" in config:
        raise NotADetectorError(
            f"{path}: {matching[0]} comes with its own Python code (auto_map), which is never run; "
            "use a model of the same architecture without auto_map."
        )
    return known[matching[0]][0], matching[0]


def _id2label(config: dict, path: Path) -> dict[int, str]:
    id2label = config.get("id2label")
    if isinstance(id2label, dict) and id2label:
        return _by_class_id(id2label, path)
    label2id = config.get("label2id")
    # Names such as N/A that occur twice collapse in label2id; only a complete one can be turned round.
    if isinstance(label2id, dict) and set(map(str, label2id.values())) == set(map(str, range(len(label2id)))):
        return {int(number): name for name, number in label2id.items()}
    return {}


def _by_class_id(id2label: dict[str, object], path: Path) -> dict[int, str]:
    names: dict[int, str] = {}
    for key, name in id2label.items():
        # int() also takes blanks, underscores and other scripts' digits, which readers may take for other ids.
        if not CLASS_ID.fullmatch(key):
            raise BuildError(
                f"{path}: id2label has a key that is not a class id ({printable(key)!r}); expected 0, 1 and so on."
            )
        if int(key) >= MOST_CLASSES:
            raise BuildError(
                f"{path}: id2label has the class id {key}, expected at most {MOST_CLASSES} classes."
            )
        if int(key) in names:
            raise BuildError(f"{path}: id2label has two keys for the class id {int(key)}; keep one of them.")
        if isinstance(name, dict | list):
            raise BuildError(f"{path}: id2label has no name for the class id {key} but a list or mapping.")
        names[int(key)] = "" if name is None else str(name)
    return names
