"""One call at a time builds in a directory; the lock of a killed one is taken over, whoever finds it."""

import atexit
import fcntl
import os
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from threading import Thread

from dsbench.errors import BuildError
from dsbench.process_identity import ProcessIdentity

BEAT_S = 10
# An owner on another machine, or in another container, is dead after six missed beats.
SILENT_S = 60
SETTLE_S = 1


class TwoCallsError(BuildError):
    """Another call builds in the same directory."""


class BuildLock:
    """The lock `file`: who holds it is written in it, and its time of change is his last sign of life."""

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
        self._stream = self.file.open("a+")
        has_flock = True
        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise self._refusal() from None
        except OSError:
            # Many NFS and Lustre mounts have no flock; what is written in the file decides there.
            has_flock = False
        owner, silent_s = self._owner(), self._silent_s()
        alive = None if owner is None else owner.is_alive()
        if alive or (owner is not None and alive is None and silent_s < self.silent_s):
            raise self._refusal()
        self._write(ProcessIdentity.own().text())
        if not has_flock:
            # Of two calls that began at the same moment, the one that wrote last has it.
            time.sleep(self.settle_s)
            if self._owner() != ProcessIdentity.own():
                raise self._refusal()
        atexit.register(self._write, "")
        Thread(target=self._beat, daemon=True).start()

    def _owner(self) -> ProcessIdentity | None:
        self._stream.seek(0)
        return ProcessIdentity.parse(self._stream.readline())

    def _write(self, text: str) -> None:
        self._stream.seek(0)
        self._stream.truncate()
        self._stream.write(text)
        self._stream.flush()

    def _silent_s(self) -> float:
        """Return the seconds since the owner's last beat, by the file system's own clock."""
        last = os.fstat(self._stream.fileno()).st_mtime
        return max(0.0, file_system_time(self.file.parent) - last)

    def _beat(self) -> None:
        while True:
            time.sleep(self.beat_s)
            # A file server may be away for a moment; the lock is ours still.
            with suppress(OSError):
                os.utime(self._stream.fileno())

    def _refusal(self) -> TwoCallsError:
        owner, here = self._owner(), Path.cwd()
        if owner is None:
            return TwoCallsError(f"{here}: another call is just starting here; wait for it to end")
        since = datetime.fromtimestamp(self.file.stat().st_mtime).strftime("%H:%M:%S")
        text = f"{here}: another call builds here, process {owner.pid} on {owner.host}"
        if owner.is_alive():
            return TwoCallsError(f"{text}; wait for it to end, or stop it and run the same command again")
        return TwoCallsError(
            f"{text}, which cannot be seen from this machine and last wrote at {since}; if it was killed, the same"
            f" command works {self.silent_s:g} s after that"
        )


def file_system_time(directory: Path) -> float:
    """Return the time that the file system of `directory` gives to a file written now, in seconds."""
    probe = directory / f".clock-{os.getpid()}"
    probe.touch()
    try:
        os.utime(probe)
        return probe.stat().st_mtime
    finally:
        probe.unlink()
