"""Check the files of a source before any library loads them."""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from dsbench.families.detector import read_detector
from dsbench.intake.file_choice import WEIGHTS, IntakeError
from dsbench.intake.json_files import (
    check_index,
    check_model_config,
    check_preprocessor,
    check_safetensors,
    read_json_file,
)
from dsbench.intake.labels import read_source_labels
from dsbench.intake.onnx_files import check_external_data
from dsbench.sources.source import SourceFolder

CONFIG = "config.json"
INDEX = "model.safetensors.index.json"


def check_regular(path: Path, folder: Path) -> None:
    """Refuse what is no regular file, and links that leave `folder` (the hub client's cache may link to its blobs)."""
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        raise IntakeError(f"{path}: cannot be read ({error.strerror}).") from None
    if not stat.S_ISREG(mode):
        raise IntakeError(f"{path}: not a regular file.")
    target, home = path.resolve(), folder.resolve()
    blobs = home.parents[1] / "blobs" if len(home.parents) > 1 and home.parent.name == "snapshots" else home
    if not (target.is_relative_to(home) or target.is_relative_to(blobs)):
        raise IntakeError(f"{path}: a link that leaves its folder; put the file itself there.")


def check_folder(folder: Path, names: Iterable[str]) -> None:
    """Raise IntakeError for the first of the files `names` below `folder` that is unsafe or unsound."""
    files = set(names)
    for name in sorted(files):
        check_regular(folder / name, folder)
    for name in sorted(files):
        _check_file(folder / name, name, files)


def refuse_non_detector(folder: Path, names: Iterable[str]) -> None:
    """Raise BuildError when `names` has a config.json that is unsafe or describes no detector to build.

    One that names no architecture beside an ONNX describes nothing: the graph does. The other files are not read.
    """
    names = tuple(names)
    if CONFIG in names:
        check_regular(folder / CONFIG, folder)
        _check_file(folder / CONFIG, CONFIG, set(names))
        if SourceFolder(folder, names).has_config:
            read_detector(folder / CONFIG)


def check_source_files(folder: Path, names: Iterable[str]) -> None:
    """Raise BuildError when the files `names` below `folder` are of no detector to build, unsafe or unsound."""
    names = tuple(names)
    refuse_non_detector(folder, names)
    check_folder(folder, names)


def _check_file(path: Path, name: str, files: set[str]) -> None:
    if name == CONFIG:
        check_model_config(path, is_loaded=any(map(WEIGHTS.fullmatch, files)))
    elif name == "preprocessor_config.json":
        check_preprocessor(path)
    elif name == INDEX:
        check_index(path, files)
    elif name == "labels.txt":
        read_source_labels(path)
    elif name.lower().endswith(".json"):
        read_json_file(path)
    elif name.lower().endswith(".safetensors"):
        check_safetensors(path)
    elif name.lower().endswith(".onnx"):
        check_external_data(path)
