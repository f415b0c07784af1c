"""Slurm jobs that a killed call has left: it could not cancel them, and they would write beside the next call's."""

import shutil
import subprocess
import time
from pathlib import Path

from dsbench.core.errors import BuildError

# Where the executor plugin has the jobs of this working directory write; no other call's have it.
JOB_LOGS = Path(".snakemake/slurm_logs")
NUMBER_WIDTH = 24
LIST = ["squeue", "--me", "--noheader", f"--Format=JobID:{NUMBER_WIDTH},STDOUT:4096"]
PATIENCE_S = 60
POLL_S = 0.5


class LeftJobsError(BuildError):
    """Jobs of a killed call that do not end."""


def cancel_left_jobs(patience_s: float = PATIENCE_S) -> list[str]:
    """Cancel what runs or waits for this directory, and return the numbers once all have ended.

    To be called by the one who holds the directory's lock: nobody else's jobs are left then. Without squeue there
    is nothing to do.
    """
    if shutil.which("squeue") is None or not (left := _left_jobs()):
        return []
    subprocess.run(["scancel", *left], capture_output=True, check=False)
    deadline = time.monotonic() + patience_s
    while still := _left_jobs():
        if time.monotonic() > deadline:
            raise LeftJobsError(
                f"{Path.cwd()}: Slurm's jobs {', '.join(still)} were left by a killed call and still run"
                f" {patience_s:g} s after scancel; wait until squeue lists them no more, then run the same command"
                " again"
            )
        time.sleep(POLL_S)
    return left


def _left_jobs() -> list[str]:
    listed = subprocess.run(LIST, capture_output=True, text=True, check=False).stdout.splitlines()
    logs = f"{JOB_LOGS.resolve()}/"
    rows = [(line[:NUMBER_WIDTH].strip(), line[NUMBER_WIDTH:].strip()) for line in listed]
    return [number for number, log in rows if log.startswith(logs)]
