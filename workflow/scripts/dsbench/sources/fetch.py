"""Bring the listed files to a verified local folder; what is there already is not fetched again."""

import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path

from msgspec import UNSET

from dsbench.core.files import sha256_of
from dsbench.intake.file_choice import IntakeError
from dsbench.intake.onnx_files import external_names
from dsbench.sources import hub
from dsbench.sources.archive import is_archive
from dsbench.sources.listing import external_files
from dsbench.sources.local_source import local_folder
from dsbench.sources.ngc_fetch import file_fetcher, unpack_archive
from dsbench.sources.source import FetchedFile, Provenance, RemoteFile, Source, SourceListing
from dsbench.sources.source_files import CONFIG, check_regular, check_source_files, refuse_non_detector

# Their path has the commit, so their age says nothing: fetched again, they make no later step run.
FETCHED_TIME_S = 946_684_800
HEAD_OF_CARD_BYTES = 1 << 16
FRONT_MATTER = re.compile(r"\A---\n(.*?)\n---", re.S)


def fetch_source(source: Source, listing: SourceListing, downloads: Path) -> tuple[Path, Provenance]:
    """Return the folder that holds the listed files, all of them checked, and the content of provenance.json.

    A local source was checked as it was listed, so it only has to be unchanged. A remote one lies below `downloads`
    by repository and commit, so that another model or run finds it; a config.json of no detector is refused before
    any weights are fetched.
    """
    files = [file.remote for file in listing.files]
    if not source.is_remote:
        folder = local_folder(source)
        names = _unchanged(folder, files)
    else:
        place = f"{source.kind}/{source.name.replace('/', '--')}"
        folder = downloads / place / _folder_name(listing.pinned)
        partial = downloads / "partial"
        folder, names = (_fetch_hub if source.kind == "huggingface" else _fetch_ngc)(
            source, listing, folder, partial
        )
        check_source_files(folder, names)
        for name in names:
            os.utime(folder / name, (FETCHED_TIME_S, FETCHED_TIME_S))
    return folder, _provenance(listing, folder, names, files)


def _folder_name(revision: str) -> str:
    """Return the revision, or a hash of one that is no plain folder name."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,100}", revision) and ".." not in revision:
        return revision
    return hashlib.sha256(revision.encode()).hexdigest()


def _unchanged(folder: Path, files: list[RemoteFile]) -> list[str]:
    for file in files:
        check_regular(folder / file.name, folder)
        if difference := file.difference(folder / file.name):
            raise IntakeError(f"{folder / file.name}: changed after it was listed ({difference}); run again.")
    return [file.name for file in files]


def _fetch_hub(source: Source, listing: SourceListing, folder: Path, partial: Path) -> tuple[Path, list[str]]:
    def fetch(file: RemoteFile) -> None:
        hub.fetch_repository_file(source.name, listing.pinned, file, folder / file.name, partial)

    return folder, _fetch_each(listing, folder, fetch)


def _fetch_ngc(source: Source, listing: SourceListing, folder: Path, partial: Path) -> tuple[Path, list[str]]:
    fetch = file_fetcher(source, listing.pinned, folder, partial)
    names = [file.name for file in listing.files]
    if not all(map(is_archive, names)):
        return folder, _fetch_each(listing, folder, fetch)
    if len(names) != 1:
        raise IntakeError(
            f"{source.name}: has the archives {', '.join(names)}; unpack the one you want and name its folder."
        )
    fetch(listing.files[0].remote)
    return unpack_archive(folder / names[0], source.name)


def _fetch_each(listing: SourceListing, folder: Path, fetch: Callable[[RemoteFile], None]) -> list[str]:
    """Fetch config.json first, then small before large, then the external data that each ONNX names."""
    files = [file.remote for file in listing.files]
    names = []
    for file in sorted(files, key=lambda file: (file.name != CONFIG, file.bytes or 0)):
        fetch(file)
        names.append(file.name)
        if file.name == CONFIG:
            refuse_non_detector(folder, [file.name for file in files])
        if file.name.lower().endswith(".onnx"):
            check_regular(folder / file.name, folder)
            for other in external_files(listing, file.name, external_names(folder / file.name)):
                fetch(other)
                names.append(other.name)
    return sorted(set(names))


def _provenance(
    listing: SourceListing, folder: Path, names: list[str], files: list[RemoteFile]
) -> Provenance:
    stated = {file.name: file for file in files}
    fetched = []
    for name in sorted(names):
        size = (folder / name).stat().st_size
        known = stated.get(name)
        sha256 = known.sha256 if known and known.sha256 else sha256_of(folder / name)
        git_sha1 = known.git_sha1 if known and known.git_sha1 else UNSET
        fetched.append(FetchedFile(name, size, sha256, git_sha1))
    return Provenance(
        source=listing.source,
        kind=listing.kind,
        repository=listing.repository,
        requested_revision=listing.requested_revision,
        revision=listing.revision,
        license=listing.license or _license_of_card(folder, names),
        bytes=sum(file.bytes for file in fetched),
        files=fetched,
    )


def _license_of_card(folder: Path, names: list[str]) -> str | None:
    """Return the licence that the head of README.md states, or None."""
    if "README.md" not in names:
        return None
    with (folder / "README.md").open("rb") as card:
        head = FRONT_MATTER.match(card.read(HEAD_OF_CARD_BYTES).decode(errors="replace"))
    found = re.search(r"^license:\s*[\"']?([\w.+-]{1,60})", head[1], re.M) if head else None
    return found[1] if found else None
