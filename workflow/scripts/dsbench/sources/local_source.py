"""A source on disk: a folder in Hugging Face layout, or a lone ONNX with what belongs to it."""

import os
from collections.abc import Iterable
from pathlib import Path

from msgspec import UNSET

from dsbench.core.files import read_once, sha256_of
from dsbench.core.records import read_record
from dsbench.intake.file_choice import Choice, choose_files
from dsbench.intake.onnx_files import external_names, require_on_disk
from dsbench.sources.source import RemoteFile, Source, SourceError, SourceListing
from dsbench.sources.source_files import check_regular, check_source_files

DEEPEST = 2
MOST_FILES = 20_000
# What belongs to a lone ONNX; a config.json beside it may be of anything.
BESIDE = ("labels.txt", "preprocessor_config.json")
EXPECTED = "correct the source in the config, expected a folder with model.safetensors or an .onnx file"


def local_folder(source: Source) -> Path:
    """Return the folder that the files of a local source lie in."""
    path = Path(source.name)
    return path if source.kind == "folder" else path.parent


def choose_local(source: Source, listing: Path | None = None) -> Choice:
    """Return the names to take below the source's folder; weights are not read, only ONNX files are looked into.

    `listing` is where the source's source.json is or will be: an ONNX as old as that is not looked into again.
    """
    folder = local_folder(source)
    if source.kind == "folder":
        choice = choose_files(_names_below(folder), source.text)
    else:
        beside = [name for name in BESIDE if (folder / name).is_file()]
        choice = Choice((Path(source.name).name, *beside), {})
    others = {
        (Path(name).parent / other).as_posix()
        for name, names in external_of(source, choice.taken, listing).items()
        for other in names
    }
    left = {name: reason for name, reason in choice.left.items() if name not in others}
    return Choice(tuple(sorted({*choice.taken, *others})), left)


def external_of(source: Source, taken: Iterable[str], listing: Path | None = None) -> dict[str, list[str]]:
    """Return for each ONNX in `taken` the external files that it names, beside it; all of them are there.

    An ONNX that has not changed since the `listing` was made is not looked into.
    """
    folder, found = local_folder(source), {}
    for name in taken:
        if name.lower().endswith(".onnx"):
            path = folder / name
            check_regular(path, folder)
            known = _recorded(source, path, name, listing) if listing and listing.is_file() else None
            found[name] = external_names(path) if known is None else known
            require_on_disk(path, found[name])
    return found


def _recorded(source: Source, path: Path, name: str, listing: Path) -> list[str] | None:
    """Return what the listing says of an ONNX, None where that may no longer be true."""
    known = read_once(read_record, listing, SourceListing)
    sizes = {file.name: file.bytes for file in known.files}
    # Unlike mtime, ctime also tells an old file, or a link to one, that was put here since.
    put_here_ns = max(path.stat().st_ctime_ns, path.lstat().st_ctime_ns)
    is_same = put_here_ns < listing.stat().st_mtime_ns and sizes.get(name) == path.stat().st_size
    if is_same and known.source == source.text:
        return None if known.external is UNSET else known.external.get(name)
    return None


def _names_below(folder: Path) -> list[str]:
    names = []
    for place, folders, files in os.walk(folder, onerror=_refuse_unreadable):
        here = Path(place).relative_to(folder)
        folders[:] = [] if len(here.parts) >= DEEPEST else sorted(f for f in folders if not f.startswith("."))
        names += [(here / file).as_posix() for file in files]
        if len(names) > MOST_FILES:
            raise SourceError(f"{folder}: more than {MOST_FILES} files; name the model's own folder.")
    if not names:
        raise SourceError(f"{folder}: the folder has no files; {EXPECTED}.")
    return names


def _refuse_unreadable(error: OSError) -> None:
    """Raise SourceError: a folder that cannot be listed would look like an empty one."""
    why = "no such folder" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
    raise SourceError(f"{error.filename}: {why}; {EXPECTED}.") from None


def list_local(source: Source) -> dict:
    """Return `files` (RemoteFile with SHA-256, of those taken), `external` of each ONNX, `left`, and None for the rest.

    The files are there already, so they are checked before anything is written.
    """
    folder, choice = local_folder(source), choose_local(source)
    check_source_files(folder, choice.taken)
    files = []
    for name in choice.taken:
        files.append(RemoteFile(name, (folder / name).stat().st_size, sha256_of(folder / name)))
    external = external_of(source, choice.taken)
    return {"revision": None, "license": None, "files": files, "external": external, "left": choice.left}
