"""Which process this is, on which machine, so that another one can tell whether it still lives."""

import json
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class ProcessIdentity:
    """A process by host, boot and PID namespace, its number there and its start in clock ticks after boot."""

    host: str
    boot: str
    namespace: str
    pid: int
    started: int

    @classmethod
    def own(cls) -> "ProcessIdentity":
        """Return the identity of the calling process."""
        pid = os.getpid()
        return cls(platform.node(), boot_id(), _namespace(), pid, start_ticks(pid) or 0)

    @classmethod
    def parse(cls, text: str) -> "ProcessIdentity | None":
        """Return the identity that `text` holds, None where it holds none or only half of one."""
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError):
            return None

    def text(self) -> str:
        """Return the identity as one line that `parse` reads."""
        return json.dumps(asdict(self))

    def is_alive(self) -> bool | None:
        """Return whether the process still runs; None where it cannot be seen from here."""
        if self.host != platform.node():
            return None
        if self.boot != boot_id():
            return False
        if self.namespace != _namespace():
            return None
        return start_ticks(self.pid) == self.started


def start_ticks(pid: int) -> int | None:
    """Return when process `pid` started, in clock ticks after boot; None for one that has ended."""
    try:
        process = psutil.Process(pid)
        if process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            return None
        # psutil adds the time of boot, which follows the clock; who a process is must not.
        return round((process.create_time() - psutil.boot_time()) * os.sysconf("SC_CLK_TCK"))
    except psutil.NoSuchProcess:
        return None


def session_of(pid: int) -> int | None:
    """Return the process session that `pid` is of; None for one that has ended or may not be asked."""
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None


def boot_id() -> str:
    """Return what tells this run of the kernel from any other; "" where the kernel does not say."""
    return BOOT.read_text().strip() if BOOT.is_file() else ""


def _namespace() -> str:
    return os.readlink("/proc/self/ns/pid")
