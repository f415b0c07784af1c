"""The export environment build/.venv_optimum: torch and optimum, apart from the workflow's own packages."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock

from dsbench.core.errors import BuildError
from dsbench.core.files import ForeignFileError, read_bounded, sha256_of, write_whole
from dsbench.core.secret_words import environment_without_tokens
from dsbench.tools.tool_run import run_in_time

PACKAGES = "packages.txt"
LARGEST_LIST_BYTES = 1 << 20
# Of pip, which downloads 2 GB.
LONGEST_STEP_S = 6 * 3600
# What a virtual environment consists of; Python finds its packages from the place of the program that it was called by.
PARTS = ("bin", "lib", "lib64", "include", "pyvenv.cfg")


def make_environment(directory: Path, lock: Path, log: Path, shared: Path | None = None) -> None:
    """Create `directory` afresh from the lock file; its packages.txt lists its packages as name==version lines.

    With `shared`, the environment lies in that folder, once for each lock file and Python, and `directory` links to it.
    """
    if shared is None:
        _install(directory, lock, log)
        return
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    place = (
        Path(os.path.expanduser(shared)).resolve()
        / f"{directory.name.lstrip('.')}-{sha256_of(lock)[:12]}-python{version}"
    )
    place.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{place}.lock"):
        if not (place / PACKAGES).is_file():
            _install(place, lock, log)
    # One of its own, from before the folder was named.
    if directory.is_dir() and not (directory / "pyvenv.cfg").is_symlink():
        shutil.rmtree(directory)
    directory.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        link = directory / part
        if link.is_symlink():
            link.unlink()
        if (place / part).exists():
            link.symlink_to(place / part)
    try:
        packages = read_bounded(place / PACKAGES, LARGEST_LIST_BYTES).decode()
    except ForeignFileError as error:
        raise BuildError(
            f"{error}; expected the list of the environment's packages as a plain file of at most"
            f" {LARGEST_LIST_BYTES >> 20} MiB: delete {place} and run the same command again"
        ) from None
    write_whole(directory / PACKAGES, packages)


def split_lock(text: str) -> tuple[str, str]:
    """Return the requirements of a lock file that have hashes, and those that have none."""
    entries = re.split(r"(?m)^(?=[^\s#])", text)
    hashed = [entry for entry in entries if "--hash=" in entry]
    return "".join(hashed), "".join(entry for entry in entries if entry not in hashed)


def _install(directory: Path, lock: Path, log: Path) -> None:
    python = directory / "bin/python"
    pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check"]
    with TemporaryDirectory() as folder, log.open("w") as stream:
        hashed, bare = (Path(folder, name) for name in ("hashed.txt", "bare.txt"))
        for file, text in zip((hashed, bare), split_lock(lock.read_text(encoding="utf-8")), strict=True):
            file.write_text(text, encoding="utf-8")
        steps = (
            [sys.executable, "-m", "venv", "--clear", str(directory)],
            # What these need is in the lock, or is a need of what has no hashes.
            [*pip, "--require-hashes", "--no-deps", "-r", str(hashed)],
            # pypi.org's torch needs NVIDIA's libraries, which the lock does not have.
            [*pip, "-r", str(bare)],
        )
        for step in steps:
            status = run_in_time(step, stream, LONGEST_STEP_S, environment_without_tokens())
            if status != 0:
                raise BuildError(
                    f"{directory}: `{' '.join(step[1:4])}` ended with {status}; the cause is at the"
                    f" end of {log} (no network, no space, or a Debian without python3-venv)"
                )
    listing = subprocess.run(
        [str(python), "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check"],
        capture_output=True,
        text=True,
        check=True,
        env=environment_without_tokens(),
    )
    write_whole(directory / PACKAGES, "\n".join(sorted(listing.stdout.split())) + "\n")
