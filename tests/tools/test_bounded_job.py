"""Jobs that run somebody else's graph end at their bounds, each with a sentence on the terminal and in the log."""

import pytest

from bounded_child import run_child

JOB = """
import sys, os, time, resource
from pathlib import Path
from dsbench.dag.rule_script import explained
from dsbench.tools.bounded_job import bounded, processor_time
before = resource.getrlimit(resource.RLIMIT_DATA)
{body}
print("went on", resource.getrlimit(resource.RLIMIT_DATA) == before)
"""


def job(body, folder):
    done = run_child(JOB.format(body=body), folder=folder)
    log = folder / "job.log"
    return done, log.read_text() if log.exists() else ""


def test_a_job_within_its_bounds_says_nothing_and_leaves_no_bound_behind(tmp_path):
    body = """
with explained("job.log", 1024):
    with processor_time(60, "this"):
        bytearray(100 << 20)
time.sleep(0.3)
"""
    done, log = job(body, tmp_path)
    assert (done.status, done.text, log) == (0, "went on True\n", "")


def test_more_memory_than_its_own_ends_a_job_with_a_sentence(tmp_path):
    done, log = job(
        'with explained("job.log", 512):\n    kept = [bytearray(64 << 20) for _ in range(64)]', tmp_path
    )
    assert done.status == 1 and "Traceback" not in done.text
    assert log.startswith("ERROR job.log: the memory of this job is used up; where the model needs more")
    assert done.peak_mb < 600
    assert done.seconds < 60


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (
            'with explained("job.log", 1024), processor_time(0.5, "the run of a"):\n    while True: pass',
            "the run of a did not end within its bound of processor time and was stopped",
        ),
        (
            'with bounded(Path("job.log"), 1024, longest_s=0.5):\n    time.sleep(100)',
            "the job did not end within 0.5 s and was stopped",
        ),
        (
            # A library that holds Python's lock lets no thread of the job run.
            'with explained("job.log", 1024), processor_time(0.5, "the run"):\n    sum(range(1 << 62))',
            "the run did not end within its bound of processor time and was stopped",
        ),
        (
            'with explained("job.log", 1024):\n    os.abort()',
            "the job was ended by a signal: its 1024 MiB of memory are too little, or a library cannot bear",
        ),
    ],
)
def test_a_job_that_does_not_come_back_is_ended_with_a_sentence(tmp_path, body, says):
    done, log = job(body, tmp_path)
    assert done.status < 0
    assert f"ERROR job.log: {says}" in done.text
    assert log.count(says) == 1
    assert done.seconds < 60
