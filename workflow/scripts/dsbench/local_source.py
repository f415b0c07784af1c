"""A source on disk: a folder in Hugging Face layout, or a lone ONNX with what belongs to it."""

import os
from pathlib import Path

from dsbench.file_choice import Choice, choose_files
from dsbench.file_hashes import sha256_of
from dsbench.intake import check_regular, judge_folder
from dsbench.onnx_external_data import external_names_on_disk
from dsbench.remote_file import RemoteFile
from dsbench.source import Source, SourceError

DEEPEST = 2
MOST_FILES = 20_000
# What belongs to a lone ONNX; a config.json beside it may be of anything.
BESIDE = ("labels.txt", "preprocessor_config.json")


def local_folder(source: Source) -> Path:
    """Return the folder that the files of a local source lie in."""
    path = Path(source.name)
    return path if source.kind == "folder" else path.parent


def choose_local(source: Source) -> Choice:
    """Return the names to take below the source's folder; weights are not read, only ONNX files are looked into."""
    folder = local_folder(source)
    if source.kind == "folder":
        choice = choose_files(_names_below(folder), source.text)
    else:
        beside = [name for name in BESIDE if (folder / name).is_file()]
        choice = Choice((Path(source.name).name, *beside), {})
    external = [
        f"{Path(name).parent.as_posix()}/{other}".removeprefix("./")
        for name in choice.taken
        if name.lower().endswith(".onnx")
        for other in _external(folder, name)
    ]
    left = {name: reason for name, reason in choice.left.items() if name not in external}
    return Choice(tuple(sorted({*choice.taken, *external})), left)


def _external(folder: Path, name: str) -> list[str]:
    check_regular(folder / name, folder)
    return external_names_on_disk(folder / name)


def _names_below(folder: Path) -> list[str]:
    names = []
    for place, folders, files in os.walk(folder):
        here = Path(place).relative_to(folder)
        folders[:] = [] if len(here.parts) >= DEEPEST else sorted(f for f in folders if not f.startswith("."))
        names += [(here / file).as_posix() for file in files]
        if len(names) > MOST_FILES:
            raise SourceError(f"{folder}: more than {MOST_FILES} files; name the model's own folder.")
    return names


def list_local(source: Source) -> dict:
    """Return `files` (RemoteFile with SHA-256, of those taken), `left` and what a local source has no word of.

    The files are there already, so they are judged before anything is written.
    """
    folder, choice = local_folder(source), choose_local(source)
    judge_folder(folder, choice.taken)
    files = []
    for name in choice.taken:
        files.append(RemoteFile(name, (folder / name).stat().st_size, sha256_of(folder / name)))
    return {"revision": None, "license": None, "files": files, "left": choice.left}
