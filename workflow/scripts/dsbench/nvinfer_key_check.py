"""An nvinfer configuration read back: which key differs from what was derived for the model."""

import configparser
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dsbench.errors import BuildError
from dsbench.nvinfer_config import class_keys, image_keys
from dsbench.reference_run import Detector

# What nvinfer takes where a key is absent.
IMAGE_DEFAULTS = {
    "net-scale-factor": "1",
    "offsets": "0;0;0",
    "model-color-format": "0",
    "maintain-aspect-ratio": "0",
    "symmetric-padding": "0",
    "scaling-filter": "0",
}
CLASS_DEFAULTS = {
    "cluster-mode": "0",
    "pre-cluster-threshold": "0.2",
    "post-cluster-threshold": "0",
    "nms-iou-threshold": "0.3",
    "topk": "-1",
}
RELATIVE_TOLERANCE = 1e-6


@dataclass(frozen=True)
class KeyDifference:
    """One key whose value in the file is not the derived one."""

    key: str
    found: str
    expected: str


def read_keys(path: Path) -> dict[str, str]:
    """Return the keys of [property] and [class-attrs-all], which share no name."""
    config = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        config.read_string(path.read_text(encoding="utf-8"))
        return {
            key: value for group in ("property", "class-attrs-all") for key, value in config[group].items()
        }
    except (OSError, UnicodeDecodeError, configparser.Error, KeyError) as error:
        raise BuildError(
            f"{path}: not an nvinfer configuration ({error}); delete it and build again."
        ) from error


def preprocessing_difference(keys: Mapping[str, str], detector: Detector) -> KeyDifference | None:
    """Return the first key of the picture that is not as derived."""
    return _difference(keys, image_keys(detector.preprocessing), IMAGE_DEFAULTS)


def clustering_difference(keys: Mapping[str, str], detector: Detector) -> KeyDifference | None:
    """Return the first key of clustering and thresholds that is not the family's."""
    family = detector.family
    wanted = {"cluster-mode": family.cluster_mode, **class_keys(family, detector.threshold)}
    return _difference(keys, wanted, CLASS_DEFAULTS)


def _difference(
    keys: Mapping[str, str], wanted: Mapping[str, object], defaults: Mapping[str, str]
) -> KeyDifference | None:
    for key, default in defaults.items():
        found, expected = keys.get(key, default), str(wanted.get(key, default))
        if not _same(found, expected):
            return KeyDifference(key, found, expected)
    return None


def _same(found: str, expected: str) -> bool:
    try:
        numbers = [[float(part) for part in text.rstrip(";").split(";")] for text in (found, expected)]
    except ValueError:
        return False
    if len(numbers[0]) != len(numbers[1]):
        return False
    return all(abs(a - b) <= RELATIVE_TOLERANCE * max(abs(a), abs(b)) for a, b in zip(*numbers, strict=True))
