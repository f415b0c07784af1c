"""A piece of Python in a process of its own, with what it took: how tests state bounds in seconds and MB."""

import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

# A hung child is a fault of the build, which the test then names.
TIMEOUT_S, INTERVAL_S = 120, 0.02
needs_bwrap = pytest.mark.skipif(
    shutil.which("bwrap") is None
    or subprocess.run(["bwrap", "--ro-bind", "/", "/", "true"], check=False).returncode,
    reason="bubblewrap is not installed or not allowed here",
)
PEAK = re.compile(r"VmHWM:\s+(\d+) kB")


@dataclass(frozen=True)
class Done:
    """How a child ended; `text` is all that it printed, `peak_mb` the most memory that it had."""

    status: int
    text: str
    seconds: float
    peak_mb: float


def run_child(code: str, *arguments: object, folder: Path) -> Done:
    """Return how `code` ended, run below `folder` with the tests' modules; its sys.argv[1:] are the arguments."""
    started = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    ) as child:
        peak_kb = 0
        while child.poll() is None:
            # Usage after the end would have what the process had before exec, the memory of these tests.
            with suppress(OSError, IndexError):
                peak_kb = int(PEAK.findall(Path(f"/proc/{child.pid}/status").read_text())[0])
            if time.monotonic() - started > TIMEOUT_S:
                child.kill()
            time.sleep(INTERVAL_S)
        seconds = time.monotonic() - started
        # What watches a child says its word after the child's end.
        text, _ = child.communicate(timeout=TIMEOUT_S)
    return Done(child.returncode, text, seconds, peak_kb / 1024)
