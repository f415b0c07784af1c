"""Unpack zip and tar archives without leaving their folder, and only what a model is made of."""

import gzip
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedIOBase, BufferedReader, FileIO
from pathlib import Path, PurePosixPath
from typing import cast

from dsbench.core.files import CHUNK_BYTES
from dsbench.intake.file_choice import IntakeError, is_safe_name, refusal_of

ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")
MOST_MEMBERS = 10_000
MOST_FOLDERS, DEEPEST = 1000, 16
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What the libraries raise for an archive that is cut off or damaged; the last two for texts and numbers in a header.
BROKEN = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, NotImplementedError, OSError),
    *(ValueError, OverflowError),
)
LARGEST_TOTAL_BYTES = 20 << 30
# Weights hardly shrink; what grows more than this many times is made to fill a disk.
LARGEST_GROWTH = 200
LARGEST_READ_BYTES = 16 << 20
SMALL_ENOUGH_BYTES = 64 << 20
# zipfile reads the table of all members at once, and makes an object of each entry.
LARGEST_TABLE_BYTES = 4 << 20
# Of a tar, what stands before the data of one member: records of its pax headers, digits of their numbers.
LARGEST_HEADER_BYTES, MOST_RECORDS, LONGEST_NUMBER = 1 << 20, 100, 100
PAX_TYPES = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
# Headers that have a body, which is no header of its own.
BODY_TYPES = (*PAX_TYPES, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
RECORD, DIGITS = re.compile(rb"(\d+) [^=]+="), re.compile(rb"\d+")


class ArchiveError(IntakeError):
    """An archive that would leave its folder, fill the disk, or cannot be read."""


@dataclass(frozen=True)
class Member:
    """One entry of an archive: `special` says what it is if neither file nor folder."""

    name: str
    bytes: int
    is_folder: bool
    special: str | None
    handle: object


def is_archive(name: str) -> bool:
    """Return whether a file of this name is unpacked."""
    return name.lower().endswith(ARCHIVE_SUFFIXES)


def unpack(archive: Path, folder: Path) -> list[str]:
    """Unpack `archive` into the new `folder`; return the names of the files, those never taken left out.

    All members are checked before the first is written. Raises ArchiveError and leaves no `folder`.
    """
    try:
        folder.mkdir(parents=True)
        with _opened(archive) as opened:
            members = list(_members(opened, archive))
            _check(members, archive)
            names = [m.name for m in members if _extract(opened, m, folder, archive)]
            _read_to_end(opened, archive)
            return names
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, BROKEN):
            raise ArchiveError(f"{archive.name}: cannot be unpacked ({error}); fetch it again.") from None
        if isinstance(error, RuntimeError):
            raise ArchiveError(f"{archive.name}: cannot be unpacked ({error}); unpack it by hand.") from None
        raise


class _BoundedTable(BufferedReader):
    """A zip's file that refuses the one large read of zipfile, which is that of the table of members."""

    def read(self, size: int | None = -1) -> bytes:
        if size is not None and size > LARGEST_TABLE_BYTES:
            raise ArchiveError(
                f"{Path(self.name).name}: its table of members has {size} bytes, expected at most"
                f" {LARGEST_TABLE_BYTES}; this is no model."
            )
        return super().read(size)


class _BoundedReads:
    """A tar's stream that refuses reads and seeks that no member needs.

    tarfile reads headers of any stated size, goes on in those that continue, and skips data without looking at them.
    """

    def __init__(self, stream: BufferedIOBase, archive: Path) -> None:
        self.stream, self.archive, self.tell = stream, archive, stream.tell
        self.is_listing, self.header_bytes, self.kind = True, 0, b""
        # Headers and what fills the last block of each member have their place too.
        self.furthest_bytes = _allowed_bytes(archive) + 2 * LARGEST_READ_BYTES

    def seek(self, place_bytes: int) -> int:
        if self.is_listing and not self.tell() <= place_bytes <= self.furthest_bytes:
            raise ArchiveError(
                f"{self.archive.name}: leads to its byte {place_bytes}, expected at most {self.furthest_bytes} and"
                " no way back; fetch it again."
            )
        return self.stream.seek(place_bytes)

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= LARGEST_READ_BYTES:
            raise ArchiveError(f"{self.archive.name}: states a header of {size} bytes; fetch it again.")
        data = self.stream.read(size)
        if self.is_listing:
            self._check_header(data)
        return data

    def _check_header(self, data: bytes) -> None:
        self.header_bytes += len(data)
        if self.header_bytes > LARGEST_HEADER_BYTES:
            raise ArchiveError(
                f"{self.archive.name}: more than {LARGEST_HEADER_BYTES} bytes of headers for one member; this is no"
                " model."
            )
        if self.kind in PAX_TYPES and not _is_read_once(data):
            raise ArchiveError(f"{self.archive.name}: has a pax header that cannot be read; fetch it again.")
        self.kind = b"" if self.kind in BODY_TYPES else data[156:157]


def _is_read_once(records: bytes) -> bool:
    """Return whether tarfile reads a pax header in linear time: no records one in another, no endless numbers."""
    if any(len(number) > LONGEST_NUMBER for number in DIGITS.findall(records)):
        return False
    place = 0
    while found := RECORD.match(records, place):
        place += int(found[1])
        if place < found.end():
            return False
    return True


@contextmanager
def _opened(archive: Path) -> Iterator[zipfile.ZipFile | tarfile.TarFile]:
    name = archive.name.lower()
    if name.endswith(".zip"):
        with _BoundedTable(FileIO(archive)) as table, zipfile.ZipFile(table) as opened:
            yield opened
        return
    with archive.open("rb") if name.endswith(".tar") else gzip.open(archive) as stream:
        bounded = _BoundedReads(stream, archive)
        # Of what a file can do, tarfile needs here what _BoundedReads has.
        with tarfile.open(fileobj=bounded, mode="r:") as opened:  # type: ignore[call-overload]
            yield opened


def _read_to_end(opened: zipfile.ZipFile | tarfile.TarFile, archive: Path) -> None:
    """Read what follows the last member: gzip's checksum of the whole stands at the very end."""
    if not isinstance(opened, tarfile.TarFile) or opened.fileobj is None:
        return
    left = LARGEST_READ_BYTES
    opened.fileobj.seek(opened.offset)
    while chunk := opened.fileobj.read(CHUNK_BYTES):
        left -= len(chunk)
        if left < 0:
            raise ArchiveError(
                f"{archive.name}: more than {LARGEST_READ_BYTES} bytes behind its last member; this is no model."
            )


def _members(opened: zipfile.ZipFile | tarfile.TarFile, archive: Path) -> Iterator[Member]:
    """Yield the members; stop at too many, at one that is no file, or at too many bytes, before reading on."""
    allowed = _allowed_bytes(archive)
    total = headers = 0
    for count, entry in enumerate(_entries(opened, archive)):
        if count >= MOST_MEMBERS:
            raise ArchiveError(f"{archive.name}: more than {MOST_MEMBERS} members; this is no model.")
        member = _zip_member(entry) if isinstance(entry, zipfile.ZipInfo) else _tar_member(entry)
        if member.special:
            raise ArchiveError(
                f"{_shown(archive, member)} is {member.special}; only files and folders are unpacked."
            )
        if member.bytes < 0:
            raise ArchiveError(f"{archive.name}: states a size of {member.bytes} bytes; fetch it again.")
        total += member.bytes
        if total > allowed:
            raise ArchiveError(f"{archive.name}: {total} bytes when unpacked, expected at most {allowed}.")
        # What else a tar states of a member comes before its data.
        headers += entry.offset_data - entry.offset if isinstance(entry, tarfile.TarInfo) else 0
        if headers > LARGEST_READ_BYTES:
            raise ArchiveError(
                f"{archive.name}: more than {LARGEST_READ_BYTES} bytes of headers; this is no model."
            )
        yield member


def _allowed_bytes(archive: Path) -> int:
    return min(LARGEST_TOTAL_BYTES, max(SMALL_ENOUGH_BYTES, LARGEST_GROWTH * archive.stat().st_size))


def _entries(
    opened: zipfile.ZipFile | tarfile.TarFile, archive: Path
) -> Iterator[zipfile.ZipInfo | tarfile.TarInfo]:
    if isinstance(opened, zipfile.ZipFile):
        yield from opened.infolist()
        return
    reads = cast(_BoundedReads, opened.fileobj)
    for entry in opened:
        # Headers for all members are copied into each.
        if len(entry.pax_headers) > MOST_RECORDS:
            raise ArchiveError(
                f"{archive.name}: more than {MOST_RECORDS} pax records for one member; this is no model."
            )
        yield entry
        reads.header_bytes = 0
    reads.is_listing = False


def _shown(archive: Path, member: Member) -> str:
    return f"{archive.name}: member {member.name[:120]!r}"


def _zip_member(entry: zipfile.ZipInfo) -> Member:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    special = None
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        special = "a symbolic link" if kind == stat.S_IFLNK else "a device or pipe"
    elif entry.flag_bits & 1:
        special = "encrypted"
    elif entry.compress_type not in METHODS:
        special = f"compressed by method {entry.compress_type}, expected stored or deflated"
    # zipfile cuts a name at NUL and turns backslashes; orig_filename is what the archive says.
    name = entry.orig_filename
    return Member(name.rstrip("/"), entry.file_size, name.endswith("/"), special, entry)


def _tar_member(entry: tarfile.TarInfo) -> Member:
    special = None
    if entry.issym() or entry.islnk():
        special = "a symbolic link" if entry.issym() else "a hard link"
    elif not (entry.isreg() or entry.isdir()):
        special = "a device or pipe"
    elif entry.issparse():
        special = "a sparse file"
    name = entry.name.removeprefix("./")
    return Member(name.rstrip("/"), entry.size, entry.isdir(), special, entry)


def _check(members: list[Member], archive: Path) -> None:
    names = set()
    folders: set[PurePosixPath] = set()
    for member in members:
        shown = _shown(archive, member)
        if member.is_folder and member.name in ("", "."):
            continue
        if not all(part and part not in (".", "..") for part in member.name.split("/")):
            raise ArchiveError(f"{shown} would leave the folder it is unpacked into.")
        if not is_safe_name(member.name.replace("/.", "/").removeprefix(".")):
            raise ArchiveError(f"{shown} has a name with characters or a length that are refused.")
        if member.name.casefold() in names:
            raise ArchiveError(f"{shown} is there twice.")
        names.add(member.name.casefold())
        folders.update(PurePosixPath(member.name).parents)
        if member.name.count("/") >= DEEPEST or len(folders) > MOST_FOLDERS:
            raise ArchiveError(
                f"{shown} is one of more than {MOST_FOLDERS} folders or more than {DEEPEST} deep; this is no model."
            )


def _extract(opened, member: Member, folder: Path, archive: Path) -> bool:
    if member.is_folder or refusal_of(member.name) or "/." in f"/{member.name}":
        return False
    target = folder / member.name
    target.parent.mkdir(parents=True, exist_ok=True)
    is_zip = isinstance(opened, zipfile.ZipFile)
    with opened.open(member.handle) if is_zip else opened.extractfile(member.handle) as stream:
        written = 0
        with target.open("xb") as out:
            while chunk := stream.read(CHUNK_BYTES):
                written += len(chunk)
                if written > member.bytes:
                    break
                out.write(chunk)
    if written != member.bytes:
        raise ArchiveError(
            f"{archive.name}: {member.name} is not the {member.bytes} bytes the archive states."
        )
    return True
