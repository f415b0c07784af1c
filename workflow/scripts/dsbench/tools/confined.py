"""Run a program on somebody else's files without network and, where the system allows it, with its own files alone."""

import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# What programs of a system need to start; nothing in there is anybody's own.
SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/sys/devices/system/cpu"),
    *(
        "/etc/ld.so.cache",
        "/etc/ld.so.conf",
        "/etc/ld.so.conf.d",
        "/etc/alternatives",
        "/etc/localtime",
        "/etc/passwd",
    ),
)
APART = (
    "--die-with-parent",
    "--unshare-net",
    "--unshare-ipc",
    "--unshare-pid",
    "--proc",
    "/proc",
    "--dev",
    "/dev",
)
# Root of the system is nobody in the box, so that programs that distrust root build their own sandbox in it.
AS_NOBODY = ("--unshare-user", "--uid", "65534", "--gid", "65534")
# In this order: as a user of a system with user namespaces, then as root where there are none.
WITHOUT_NETWORK = (("unshare", "--user", "--map-current-user", "--net"), ("unshare", "--net"))
TRIAL_S = 10
OWN_FILES = "without network, and with no files but the system's and its own (bubblewrap)"
READ_ONLY = "without network, and with no file to write but its own (bubblewrap)"
NO_NETWORK = (
    "without network, and with this user's files (unshare; bubblewrap does not work here or is not installed)"
)
NOTHING = (
    "with this user's network and files, since neither bubblewrap nor unshare works here; install bubblewrap"
)


@dataclass(frozen=True)
class Confined:
    """A command line that runs a program so, and in words which protections hold."""

    command: list[str]
    protections: str


def confined(
    command: Sequence[str],
    readable: Iterable[Path] | None,
    writable: Sequence[Path],
    leaves_root: bool = False,
) -> Confined:
    """Return `command` with what this system has to confine it.

    `readable` are the files and folders that it sees beside the system's, None for all that its user may read;
    `writable` are the folders that it may write to. `leaves_root` makes root nobody in the box, where that works.
    """
    apart = (*APART, *AS_NOBODY) if leaves_root and os.geteuid() == 0 and can_leave_root() else APART
    written = [word for path in writable for word in ("--bind", str(path), str(path))]
    if _works("bwrap", *APART, *_system()):
        if readable is None:
            return Confined(["bwrap", "--ro-bind", "/", "/", *apart, *written, *command], READ_ONLY)
        seen = [word for path in dict.fromkeys(readable) for word in ("--ro-bind", str(path), str(path))]
        box = ["bwrap", *_system(), "--tmpfs", "/tmp", *apart, *seen, *written]
        return Confined([*box, *command], OWN_FILES)
    for without in WITHOUT_NETWORK:
        if _works(*without):
            return Confined([*without, *command], NO_NETWORK)
    return Confined([*command], NOTHING)


def can_leave_root() -> bool:
    """Return whether bubblewrap can run a program of root's as nobody: not in every container."""
    return _works("bwrap", *APART, *AS_NOBODY, *_system())


def _system() -> list[str]:
    return [word for place in SYSTEM for word in ("--ro-bind-try", place, place)]


@cache
def _works(*words: str) -> bool:
    """Tell whether a program can be run so on this system: containers and kernels forbid parts of it."""
    if shutil.which(words[0]) is None:
        return False
    try:
        tried = subprocess.run([*words, "true"], check=False, capture_output=True, timeout=TRIAL_S)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return tried.returncode == 0


def environment_files(python: Path) -> list[Path] | None:
    """Return the files and folders of a virtual environment's Python; None where it is of no environment."""
    folder = Path(os.path.abspath(python)).parents[1]
    settings = folder / "pyvenv.cfg"
    if not settings.is_file():
        return None
    lines = (line.partition("=") for line in settings.read_text(encoding="utf-8").splitlines())
    home = next((value.strip() for key, _, value in lines if key.strip() == "home"), str(python.parent))
    # The folder may consist of links to an environment that several working directories share.
    parts = [part.resolve() for part in folder.iterdir() if part.is_symlink()]
    return [folder, *parts, Path(home).parent, python.resolve().parents[1]]
