"""Which process this is, on which machine, so that another one can tell whether it still lives."""

import json
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

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
    fields = stat_fields(pid)
    return None if fields is None or fields[0] in "ZX" else int(fields[19])


def stat_fields(pid: int) -> list[str] | None:
    """Return what /proc says of process `pid` from its state on: state, parent, group, session, …"""
    try:
        # The name before may have spaces and parentheses of its own.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def boot_id() -> str:
    """Return what tells this run of the kernel from any other; "" where the kernel does not say."""
    return BOOT.read_text().strip() if BOOT.is_file() else ""


def _namespace() -> str:
    return os.readlink("/proc/self/ns/pid")
