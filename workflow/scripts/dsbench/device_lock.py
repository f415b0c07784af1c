"""Locks on devices for all users of one host: the kernel holds them, so that none outlives its owner."""

import contextlib
import fcntl
import getpass
import json
import os
import re
import socket
import stat
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from dsbench.errors import BuildError
from dsbench.process_identity import boot_id, start_ticks

# On RHEL the first is root's alone, so there every user takes the second.
DIRECTORIES = (Path("/run/lock"), Path("/tmp"))
FOR_EVERYONE = 0o666
MOST_BYTES = 4096


class LockError(BuildError):
    """A lock that cannot be taken or waited for."""


@dataclass(frozen=True)
class Owner:
    """Who took a lock; `process` tells this process from a later one of the same id, `since` is UTC."""

    user: str
    pid: int
    process: str
    host: str
    job: str
    since: str

    def has_ended(self) -> bool:
        """Return whether the process that took the lock is known to be there no more."""
        return self.host == socket.gethostname() and process_identity(self.pid) != self.process

    def told(self) -> str:
        """Return who this is and how long the lock is theirs, printable whatever they wrote."""
        age_s = max((datetime.now(UTC) - datetime.fromisoformat(self.since)).total_seconds(), 0)
        text = (
            f"{self.user}, process {self.pid} on {self.host}, since {self.since} ({age_s / 60:.0f} min),"
            f" for {self.job}"
        )
        return "".join(char if char.isprintable() else "?" for char in text)


class DeviceLock:
    """The lock of one device of this host; free again when its owner and all that the owner started have ended."""

    def __init__(self, device: str, directory: Path | None = None):
        name = re.sub(r"[^A-Za-z0-9-]", "_", device)
        self.path = (directory or lock_directory()) / f"deepstream-import-{name}.lock"
        self.holder: Owner | None = None
        self.dead: Owner | None = None
        self._descriptor: int | None = None

    def take(self, job: str) -> bool:
        """Return whether the lock is ours now; if not, `holder` is who has it, where they say so.

        Once it is ours, `dead` is the owner who ended without letting go, None after one who did.
        """
        descriptor = _open(self.path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.holder = _read(descriptor)
            os.close(descriptor)
            return False
        except OSError as error:
            os.close(descriptor)
            raise _refusal(self.path, f"cannot be locked ({error.strerror})") from None
        if not _is_still(self.path, descriptor):
            os.close(descriptor)
            return False
        self.holder, self.dead = None, _read(descriptor)
        self._descriptor = descriptor
        _write(descriptor, json.dumps(asdict(_ourselves(job))))
        return True

    def release(self) -> None:
        """Let go, also of what started processes inherited."""
        _write(self._descriptor, "")
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        os.close(self._descriptor)
        self._descriptor = None

    @property
    def descriptor(self) -> int:
        """Return the file descriptor that holds the lock; a tool that inherits it keeps it should we be killed."""
        return self._descriptor


def lock_directory() -> Path:
    """Return where the locks of this host lie, the same for each of its users."""
    if named := os.environ.get("GPU_LOCK_DIRECTORY"):
        return Path(named)
    for directory in DIRECTORIES:
        with contextlib.suppress(FileNotFoundError):
            if stat.S_IMODE(directory.lstat().st_mode) == 0o1777:
                return directory
    raise LockError(
        f"{' and '.join(map(str, DIRECTORIES))}: neither is a directory where all users may write (mode 1777);"
        " let GPU_LOCK_DIRECTORY name a local one that is"
    )


def process_identity(pid: int) -> str | None:
    """Return what tells the process `pid` from any other of that id: boot and start; None where there is none."""
    started = start_ticks(pid)
    return None if started is None else f"{boot_id()}:{started}"


def _ourselves(job: str) -> Owner:
    pid, now = os.getpid(), datetime.now(UTC)
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return Owner(
        user, pid, process_identity(pid) or "", socket.gethostname(), job, f"{now:%Y-%m-%dT%H:%M:%SZ}"
    )


def _open(path: Path) -> int:
    """Return a descriptor of the lock file, made for everyone where it is missing."""
    # fs.protected_regular refuses O_CREAT on another user's file in /tmp, so an existing one is opened without.
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    mask = os.umask(0)
    try:
        try:
            descriptor = os.open(path, flags)
        except FileNotFoundError:
            with contextlib.suppress(FileExistsError):
                os.close(os.open(path, flags | os.O_CREAT | os.O_EXCL, FOR_EVERYONE))
            descriptor = os.open(path, flags)
    except OSError as error:
        raise _refusal(path, f"cannot be opened ({error.strerror})") from None
    finally:
        os.umask(mask)
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1 or found.st_mode & FOR_EVERYONE != FOR_EVERYONE:
        os.close(descriptor)
        raise _refusal(path, "is something else, expected a plain file that everyone may write")
    return descriptor


def _refusal(path: Path, found: str) -> LockError:
    return LockError(
        f"{path}: the lock {found}; have it removed, or let GPU_LOCK_DIRECTORY name another local directory,"
        " the same one for all users of the GPU"
    )


def _is_still(path: Path, descriptor: int) -> bool:
    """Return whether the locked file is the one others would open; somebody may have removed it meanwhile."""
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _read(descriptor: int) -> Owner | None:
    """Return what the owner wrote, None where it is nothing that can be told."""
    try:
        found = Owner(**json.loads(os.pread(descriptor, MOST_BYTES, 0)))
        return found if isinstance(found.pid, int) and found.told() else None
    except (ValueError, TypeError):
        return None


def _write(descriptor: int, text: str) -> None:
    # A full disk takes away who holds the lock, not the lock.
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text.encode()[:MOST_BYTES], 0)
