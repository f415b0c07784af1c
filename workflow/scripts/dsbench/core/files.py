"""Files that are whole or absent, their hashes, their content, and the bounded reader of what others can write."""

import errno
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from dsbench.core.errors import BuildError

PREFIX = ".partial-"
CHUNK_BYTES = 1 << 20
# Where others can write, a file may be a link to one of ours, or a pipe that nobody writes to.
UNTRUSTED = os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
# How such a file fails to open.
NOT_PLAIN = {
    errno.ELOOP: "a link",
    errno.EISDIR: "a folder",
    errno.ENXIO: "a socket, or a device that is not there",
}


class ForeignFileError(BuildError):
    """What others have written is no plain file, too large, or no text; the message is the file and what it is."""


@contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """Yield the name to write to; it becomes `path` when the block ends well, and is removed when it does not.

    What a killed process left under that name is overwritten by the next one.
    """
    partial = path.with_name(f"{PREFIX}{path.name}")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_whole(path: str | Path, text: str) -> None:
    """Write `text` to `path` in UTF-8."""
    with written_beside(Path(path)) as partial:
        partial.write_text(text, encoding="utf-8")


def copy_whole(source: str | Path, destination: str | Path) -> None:
    """Copy the content of `source` to `destination`."""
    with written_beside(Path(destination)) as partial:
        shutil.copyfile(source, partial)


def read_json(path: str | Path):
    """Return what a step of this build wrote to `path`.

    Raises BuildError where it cannot be read any more, as after a power loss; then it is removed, so that the next
    call makes it anew.
    """
    file = Path(path)
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        file.unlink()
        raise BuildError(
            f"{file}: is no whole JSON ({error}) and was removed; run the same command again, which makes it anew"
        ) from None


def open_plain(path: Path, flags: int = os.O_RDONLY, mode: int = 0o600, through_links: bool = False) -> int:
    """Return a descriptor of the plain file at `path`, where others can write; it waits for no pipe.

    A link is refused unless it may be followed. Raises ForeignFileError for what is no plain file, and OSError as
    os.open does.
    """
    try:
        descriptor = os.open(path, flags | UNTRUSTED | (0 if through_links else os.O_NOFOLLOW), mode)
    except OSError as error:
        if error.errno not in NOT_PLAIN:
            raise
        raise ForeignFileError(f"{path}: is {NOT_PLAIN[error.errno]}") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ForeignFileError(f"{path}: is a folder, a pipe or a device")
    return descriptor


def read_open(descriptor: int, path: Path, most_bytes: int) -> bytes:
    """Return all that the open file `path` holds; raise ForeignFileError for more than `most_bytes`."""
    size, content = os.fstat(descriptor).st_size, bytearray()
    # The size may be old, as of a file that grows.
    while size <= most_bytes and (chunk := os.pread(descriptor, CHUNK_BYTES, len(content))):
        content += chunk
        size = max(size, len(content))
    if size > most_bytes:
        raise ForeignFileError(f"{path}: {size} bytes")
    return bytes(content)


def read_bounded(path: Path, most_bytes: int, through_links: bool = False) -> bytes:
    """Return what the plain file at `path` holds, where others can write; raises as `open_plain` and `read_open` do."""
    descriptor = open_plain(path, through_links=through_links)
    try:
        return read_open(descriptor, path, most_bytes)
    finally:
        os.close(descriptor)


def read_foreign_text(path: Path, most_bytes: int) -> str:
    """Return the UTF-8 text of a plain file from outside; raise ForeignFileError for whatever else `path` is."""
    try:
        return read_bounded(path, most_bytes, through_links=True).decode("utf-8-sig")
    except OSError as error:
        raise ForeignFileError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        kind = "UTF-16, " if error.object[:2] in (b"\xff\xfe", b"\xfe\xff") else ""
        raise ForeignFileError(f"{path}: {kind}no UTF-8 text (from byte {error.start} on)") from None


@contextmanager
def scratch_beside(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside `path`, removed when the block ends; a killed process's is emptied by the next."""
    folder = path.with_name(f"{PREFIX}{path.name}.d")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sha256_of(file: Path) -> str:
    """Return the SHA-256 of a file's content as hexadecimal text."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_over(files: Iterable[Path]) -> str:
    """Return one SHA-256 over the names and contents of the files, in their order, as hexadecimal text."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name}\0{sha256_of(file)}\n".encode())
    return digest.hexdigest()


def git_sha1_of(file: Path) -> str:
    """Return the name Git gives a file's content: SHA-1 over a header with the size, then the content."""
    digest = hashlib.sha1(b"blob %d\0" % file.stat().st_size, usedforsecurity=False)
    with file.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def read_once(read: Callable, path: Path, *more):
    """Return `read(path, *more)`, as found before if the file is still the same one; raise what stat and read raise."""
    changed = path.stat()
    return _as_of(read, path, more, (changed.st_mtime_ns, changed.st_size, changed.st_ino))


@cache
def _as_of(read, path: Path, more: tuple, _state: tuple[int, int, int]):
    return read(path, *more)
