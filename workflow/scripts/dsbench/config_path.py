"""Paths as a DeepStream configuration names them: from the folder in which the configuration really lies."""

import os
from pathlib import Path


def relative_to_config(path: Path, config: Path) -> str:
    """Return `path` as the file `config` has to name it.

    DeepStream resolves symlinks in the configuration's folder first, so ".." leads out of where that really lies.
    """
    folder, config_folder = os.path.realpath(path.parent), os.path.realpath(config.parent)
    return Path(os.path.relpath(Path(folder, path.name), config_folder)).as_posix()
