"""Debian's packages that tests need and most machines lack."""

import os
import shutil
import subprocess
from collections.abc import Sequence


class NotInstalledError(Exception):
    """Why a package is not there, as a sentence."""


def install(programs: Sequence[str], packages: Sequence[str]):
    """Install Debian's `packages` where one of `programs` is missing; raise NotInstalledError where that cannot be."""
    if all(shutil.which(program) for program in programs):
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise NotInstalledError(
            f"{' and '.join(packages)} are not installed, and without root and apt-get cannot be"
        )
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for step in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *packages]):
        done = subprocess.run(["apt-get", *step], env=env, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise NotInstalledError(f"apt-get {' '.join(step)} failed: {done.stderr.strip()[-300:]}")
