"""mermaid-cli with the packages of its lock file, installed once for all tests and kept for the next run of them."""

import shutil
from functools import cache

import pytest
from filelock import FileLock

from dsbench.core.files import sha256_of
from dsbench.report.diagram_tools import BROWSERS, DocumentError, Tools, install_packages
from dsbench.report.report_data import TEMPLATES
from workflow_run import PROJECT

MANIFEST, LOCK = PROJECT / "envs/package.json", PROJECT / "envs/package-lock.json"
SETTINGS = TEMPLATES / "documents"


def drawing_tools() -> Tools:
    """Return what draws diagrams; skip a test where this machine lacks a part or the packages cannot be had."""
    lacking = [name for name in ("node", "npm") if shutil.which(name) is None]
    lacking += [] if any(map(shutil.which, BROWSERS)) else ["chromium"]
    if lacking:
        pytest.skip(f"not installed: {', '.join(lacking)}")
    failure = _install()
    if failure:
        pytest.skip(failure)
    return Tools.found(_place() / "node_modules", SETTINGS)


def _place():
    return PROJECT / f"build/environments/diagram_tools-{sha256_of(LOCK)[:12]}"


@cache
def _install() -> str:
    """Return why the packages cannot be had, "" once they are there."""
    place = _place()
    place.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{place}.lock"):
        if (place / "node_modules/.package-lock.json").is_file():
            return ""
        try:
            install_packages(place, MANIFEST, LOCK, place.with_suffix(".log"))
        except DocumentError as error:
            return str(error)
    return ""
