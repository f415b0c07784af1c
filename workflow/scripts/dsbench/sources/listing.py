"""source.json: what a source holds and which of it is taken, with the revision resolved once."""

from dataclasses import replace
from pathlib import PurePosixPath

from dsbench.intake.file_choice import (
    Choice,
    IntakeError,
    choose_files,
    different_models,
    is_part,
    refusal_of,
    which_model,
)
from dsbench.sources import hub, ngc_fetch
from dsbench.sources.archive import is_archive
from dsbench.sources.local_source import list_local
from dsbench.sources.source import ListedFile, RemoteFile, Source, SourceListing


def list_source(source: Source) -> SourceListing:
    """Return the content of source.json."""
    if not source.is_remote:
        listing = list_local(source)
        document = _document(source, listing, listing["files"], listing["left"])
        return replace(document, external=listing["external"])
    listing = (hub.list_repository if source.kind == "huggingface" else ngc_fetch.list_model)(source)
    choice = choose_remote(source, [file.name for file in listing["files"]])
    taken = [file for file in listing["files"] if file.name in choice.taken]
    return _document(source, listing, taken, choice.left)


def choose_remote(source: Source, names: list[str]) -> Choice:
    """Return which of a repository's files are taken; an NGC model without plain files has its archives taken."""
    if source.file is not None:
        if source.file not in names:
            raise IntakeError(f"{source.name}: has no file {source.file}; see its list of files.")
        names = [n for n in names if n == source.file or not n.lower().endswith((".onnx", ".safetensors"))]
    archives = [name for name in names if is_archive(name)]
    plain = [name for name in names if name.lower().endswith((".onnx", ".safetensors"))]
    if source.kind == "ngc" and archives and not plain:
        left = {n: refusal_of(n) or "an archive is taken" for n in names if n not in archives}
        return Choice(tuple(sorted(archives)), left)
    choice = choose_files(names, source.name)
    if source.kind == "huggingface":
        _refuse_several(source, choice)
    return choice


def _refuse_several(source: Source, choice: Choice) -> None:
    """Raise IntakeError where a repository has different models, before any of them is fetched."""
    onnx = [name for name in choice.taken if name.lower().endswith(".onnx")]
    rivals = different_models(name for name in onnx if not is_part(name))
    if len(rivals) > 1:
        page = f"https://huggingface.co/{source.name}/resolve/{source.revision or 'main'}"
        raise IntakeError(which_model(source.name, rivals, f"{page}/{rivals[0]}"))


def _document(source: Source, listing: dict, taken: list[RemoteFile], left: dict[str, str]) -> SourceListing:
    sizes = {file.name: file.bytes for file in listing["files"]}
    return SourceListing(
        source=source.text,
        kind=source.kind,
        repository=source.name if source.is_remote else None,
        requested_revision=source.revision,
        revision=listing["revision"],
        license=listing["license"],
        files=[ListedFile.of(file) for file in sorted(taken, key=lambda file: file.name)],
        left=[ListedFile.of(file, left[file.name]) for file in listing["files"] if file.name in left]
        if source.is_remote
        else [ListedFile(name, reason=reason) for name, reason in left.items() if name not in sizes],
    )


def external_files(listing: SourceListing, onnx: str, names: list[str]) -> list[RemoteFile]:
    """Return the entries of a listing for the external data `names`, which are relative to the ONNX's folder."""
    entries = {file.name: file for file in (*listing.files, *listing.left)}
    found = []
    for name in names:
        place = (PurePosixPath(onnx).parent / name).as_posix()
        if place not in entries:
            raise IntakeError(f"{onnx}: its external data {place} is not among the source's files.")
        found.append(entries[place].remote)
    return found
