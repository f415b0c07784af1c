"""The end of a tool that takes longer than it is allowed to, with all that it started."""

import os
import signal
import subprocess
from contextlib import suppress
from threading import Timer


class Watchdog:
    """Kills a tool and its process group once the time it is allowed is over; `verdict` then says so."""

    def __init__(self, process: subprocess.Popen):
        self.verdict: str | None = None
        self._process = process
        self._timer: Timer | None = None

    def allow(self, seconds: float, verdict: str) -> None:
        """From now on allow `seconds`, in place of what was allowed before."""
        self.cancel()
        self._timer = Timer(seconds, self._expire, (verdict,))
        self._timer.start()

    def cancel(self) -> None:
        """Allow the tool all the time it needs."""
        if self._timer is not None:
            self._timer.cancel()

    def _expire(self, verdict: str) -> None:
        self.verdict = verdict
        end_group(self._process)


def end_group(process: subprocess.Popen) -> None:
    """Kill the process group of a tool: it may have left children behind."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
