"""Paths as a DeepStream configuration names them, from the folder in which it really lies, and as Snakemake can."""

import os
from pathlib import Path
from urllib.parse import quote

# DeepStream puts the configuration's folder before a relative address as it is, and GStreamer reads all of it escaped.
READ_AS_ESCAPES = frozenset("%#?")


def relative_to_config(path: Path, config: Path) -> str:
    """Return `path` as the file `config` has to name it.

    DeepStream resolves symlinks in the configuration's folder first, so ".." leads out of where that really lies.
    """
    folder, config_folder = os.path.realpath(path.parent), os.path.realpath(config.parent)
    return Path(os.path.relpath(Path(folder, path.name), config_folder)).as_posix()


def uri_in_config(clip: Path, config: Path) -> str:
    """Return the address by which a deepstream-app configuration names a clip.

    It is relative, and goes on to lead there once the working directory is moved, for a clip and a configuration that
    both lie in that directory; any other place is written out.
    """
    here, place = Path.cwd(), clip.absolute()
    if ".." in place.parts:
        place = Path(os.path.realpath(place.parent), place.name)
    folder = Path(os.path.realpath(config.parent))
    is_inside = place.is_relative_to(here) and folder.is_relative_to(here)
    if not is_inside or READ_AS_ESCAPES & set(str(folder)):
        return place.as_uri()
    return f"file://{quote(os.path.relpath(place, folder))}"
