"""Locks that no killed owner leaves behind: of a working directory, and of a device."""

import atexit
import contextlib
import getpass
import json
import os
import re
import stat
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import msgspec
from filelock import lock_descriptor, unlock_descriptor

from dsbench.core.errors import BuildError, without_controls
from dsbench.core.file_times import file_system_time
from dsbench.core.files import ForeignFileError, open_plain, read_open
from dsbench.core.process_identity import ProcessIdentity

BEAT_S = 10
# An owner on another machine, or in another container, is dead after six missed beats.
SILENT_S = 60
SETTLE_S = 1
# On RHEL the first is root's alone, so there every user takes the second.
DIRECTORIES = (Path("/run/lock"), Path("/tmp"))
FOR_EVERYONE = 0o666
MOST_BYTES = 4096
# Linux has no larger number of a process.
LARGEST_PID = 1 << 22
NOT_OPEN = -1


class TwoCallsError(BuildError):
    """Another call builds in the same directory."""


class LockError(BuildError):
    """A lock that cannot be taken or waited for."""


@dataclass(frozen=True)
class Owner:
    """Who took a lock: `process` is theirs, `since` is UTC."""

    user: str
    process: ProcessIdentity
    job: str
    since: str

    @classmethod
    def own(cls, job: str) -> "Owner":
        """Return the calling process as the owner from now on."""
        try:
            user = getpass.getuser()
        except (KeyError, OSError):
            user = str(os.getuid())
        return cls(user, ProcessIdentity.own(), job, f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")

    def told(self) -> str:
        """Return who this is and how long the lock is theirs, printable whatever they wrote."""
        age_s = max((datetime.now(UTC) - datetime.fromisoformat(self.since)).total_seconds(), 0)
        text = (
            f"{self.user}, process {self.process.pid} on {self.process.host}, since {self.since}"
            f" ({age_s / 60:.0f} min), for {self.job}"
        )
        return without_controls(text)


def _read(descriptor: int, file: Path) -> Owner | None:
    """Return who wrote the lock file last, None where it says nothing that can be told, whatever others wrote."""
    try:
        found = msgspec.json.decode(read_open(descriptor, file, MOST_BYTES), type=Owner)
        return found if 0 < found.process.pid <= LARGEST_PID and found.told() else None
    except (ForeignFileError, msgspec.MsgspecError, ValueError, TypeError, RecursionError):
        return None


def _write(descriptor: int, owner: Owner | None) -> None:
    os.ftruncate(descriptor, 0)
    if owner is not None:
        os.pwrite(descriptor, json.dumps(asdict(owner)).encode()[:MOST_BYTES], 0)


class BuildLock:
    """The lock `file` of a call: its text says who owns it, its time of change is their last sign of life."""

    def __init__(
        self, file: Path, beat_s: float = BEAT_S, silent_s: float = SILENT_S, settle_s: float = SETTLE_S
    ):
        self.file = file
        self.settle_s = settle_s
        self.beat_s = beat_s
        self.silent_s = silent_s

    def hold(self) -> None:
        """Hold the lock until this process ends; raise TwoCallsError where somebody else does."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = self._opened()
        has_flock = True
        try:
            if not lock_descriptor(self._descriptor, blocking=False):
                raise self._refusal()
        except OSError:
            # Many NFS and Lustre mounts have no flock; what is written in the file decides there.
            has_flock = False
        owner, silent_s = _read(self._descriptor, self.file), self._silent_s()
        alive = None if owner is None else owner.process.is_alive()
        if alive or (owner is not None and alive is None and silent_s < self.silent_s):
            raise self._refusal()
        ours = Owner.own(str(Path.cwd()))
        _write(self._descriptor, ours)
        if not has_flock:
            # Of two calls that began at the same moment, the one that wrote last has it.
            time.sleep(self.settle_s)
            if _read(self._descriptor, self.file) != ours:
                raise self._refusal()
        atexit.register(_write, self._descriptor, None)
        Thread(target=self._beat, daemon=True).start()

    def _opened(self) -> int:
        try:
            return _of_one_name(open_plain(self.file, os.O_RDWR | os.O_CREAT, FOR_EVERYONE), self.file)
        except ForeignFileError:
            raise LockError(
                f"{self.file}: the lock is a link or no plain file; remove it and run the same command again"
            ) from None

    def _silent_s(self) -> float:
        """Return the seconds since the owner's last beat, by the file system's own clock."""
        last = os.fstat(self._descriptor).st_mtime
        return max(0.0, file_system_time(self.file.parent) - last)

    def _beat(self) -> None:
        while True:
            time.sleep(self.beat_s)
            # A file server may be away for a moment; the lock is ours still.
            with contextlib.suppress(OSError):
                os.utime(self._descriptor)

    def _refusal(self) -> TwoCallsError:
        owner, here = _read(self._descriptor, self.file), Path.cwd()
        last = datetime.fromtimestamp(os.fstat(self._descriptor).st_mtime).strftime("%H:%M:%S")
        os.close(self._descriptor)
        if owner is None:
            return TwoCallsError(f"{here}: another call is just starting here; wait for it to end")
        host = without_controls(owner.process.host)
        text = f"{here}: another call builds here, process {owner.process.pid} on {host}"
        if owner.process.is_alive():
            return TwoCallsError(f"{text}; wait for it to end, or stop it and run the same command again")
        return TwoCallsError(
            f"{text}, which cannot be seen from this machine and last wrote at {last}; if it was killed, the same"
            f" command works {self.silent_s:g} s after that"
        )


class DeviceLock:
    """The lock of one device of this host; free again when its owner and all that the owner started have ended."""

    def __init__(self, device: str, directory: Path | None = None):
        name = re.sub(r"[^A-Za-z0-9-]", "_", device)
        self.path = (directory or lock_directory()) / f"deepstream-import-{name}.lock"
        self.holder: Owner | None = None
        self.dead: Owner | None = None
        self._descriptor = NOT_OPEN

    def take(self, job: str) -> bool:
        """Return whether the lock is ours now; if not, `holder` is who has it, where they say so.

        Once it is ours, `dead` is the owner who ended without letting go, None after one who did.
        """
        descriptor = _open_for_everyone(self.path)
        try:
            if not lock_descriptor(descriptor, blocking=False):
                self.holder = _read(descriptor, self.path)
                os.close(descriptor)
                return False
        except OSError as error:
            os.close(descriptor)
            raise _refusal(self.path, f"cannot be locked ({error.strerror})") from None
        if not _is_still(self.path, descriptor):
            os.close(descriptor)
            return False
        self.holder, self.dead = None, _read(descriptor, self.path)
        self._descriptor = descriptor
        # A full disk takes away who holds the lock, not the lock.
        with contextlib.suppress(OSError):
            _write(descriptor, Owner.own(job))
        return True

    def release(self) -> None:
        """Let go, also of what started processes inherited."""
        with contextlib.suppress(OSError):
            _write(self._descriptor, None)
        unlock_descriptor(self._descriptor)
        os.close(self._descriptor)
        self._descriptor = NOT_OPEN

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


def _open_for_everyone(path: Path) -> int:
    """Return a descriptor of the lock file, made for everyone where it is missing."""
    # fs.protected_regular refuses O_CREAT on another user's file in /tmp, so an existing one is opened without.
    mask = os.umask(0)
    try:
        try:
            descriptor = open_plain(path, os.O_RDWR)
        except FileNotFoundError:
            with contextlib.suppress(FileExistsError):
                os.close(open_plain(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, FOR_EVERYONE))
            descriptor = open_plain(path, os.O_RDWR)
        if os.fstat(_of_one_name(descriptor, path)).st_mode & FOR_EVERYONE != FOR_EVERYONE:
            os.close(descriptor)
            raise ForeignFileError(f"{path}: not for everyone")
        return descriptor
    except ForeignFileError:
        raise _refusal(path, "is something else, expected a plain file that everyone may write") from None
    except OSError as error:
        raise _refusal(path, f"cannot be opened ({error.strerror})") from None
    finally:
        os.umask(mask)


def _of_one_name(descriptor: int, path: Path) -> int:
    """Return the descriptor of a file that has one name; by a second one it would be somebody's file."""
    if os.fstat(descriptor).st_nlink > 1:
        os.close(descriptor)
        raise ForeignFileError(f"{path}: has another name too")
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
