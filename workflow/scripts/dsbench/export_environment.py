"""The export environment build/.venv_optimum: torch and optimum, apart from the workflow's own packages."""

import subprocess
import sys
from pathlib import Path

from dsbench.errors import BuildError


def make_export_environment(directory: Path, lock: Path, log: Path) -> list[str]:
    """Create `directory` afresh from the lock file; return its packages as name==version lines."""
    python = directory / "bin/python"
    steps = (
        [sys.executable, "-m", "venv", "--clear", str(directory)],
        [str(python), "-m", "pip", "install", "--disable-pip-version-check", "-r", str(lock)],
    )
    with log.open("w") as stream:
        for step in steps:
            status = subprocess.run(step, stdout=stream, stderr=subprocess.STDOUT, check=False).returncode
            if status != 0:
                raise BuildError(
                    f"{directory}: `{' '.join(step[1:4])}` ended with exit status {status}; the cause is at the"
                    f" end of {log} (no network, no space, or a Debian without python3-venv)"
                )
    listing = subprocess.run(
        [str(python), "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check"],
        capture_output=True,
        text=True,
        check=True,
    )
    return sorted(listing.stdout.split())
