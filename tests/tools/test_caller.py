"""A job never outlives the Snakemake process that started it, nor a tool its job."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from dsbench.core.process_identity import ProcessIdentity, start_ticks
from dsbench.tools.tool_run import VARIABLE, descendants
from workflow_run import PROJECT

STUBBORN = """
import os, signal, sys, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
open(sys.argv[1], "w").write(f"{os.getpid()}\\n")
time.sleep(60)
"""
JOB = """
import sys
from pathlib import Path
from dsbench.dag.rule_script import explained
from dsbench.tools.tool_run import run_tool
with explained("job.log"):
    run_tool([sys.executable, "stubborn.py", "tool.pid"], Path("job.log"), {})
"""
CALLER = """
import subprocess, sys
from dsbench.tools.tool_run import announce_caller
announce_caller()
subprocess.run(["bash", "-c", "set -e; " + sys.executable + " job.py; true"])
"""


@pytest.fixture
def call(tmp_path):
    """A caller whose job, below a shell, runs a tool that ignores SIGTERM; its process, and the tool's number."""
    for name, text in (("stubborn", STUBBORN), ("job", JOB), ("caller", CALLER)):
        (tmp_path / f"{name}.py").write_text(text)
    env = os.environ | {"PYTHONPATH": str(PROJECT / "workflow/scripts")}
    process = subprocess.Popen([sys.executable, "caller.py"], cwd=tmp_path, env=env)
    file = tmp_path / "tool.pid"
    assert within(20, lambda: file.is_file() and file.read_text().endswith("\n"))
    yield process, int(file.read_text())
    for pid in descendants(process.pid):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.kill()
    process.wait()


def within(seconds, holds):
    deadline = time.monotonic() + seconds
    while not (held := holds()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return held


def test_killed_caller_takes_job_and_tool_with_it(call):
    process, tool = call
    family = descendants(process.pid)
    assert tool in family and len(family) >= 3
    process.kill()
    process.wait()
    assert within(3, lambda: not any(start_ticks(pid) for pid in family))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_killed_job_takes_a_tool_that_ignores_sigterm_with_it(call, how):
    process, tool = call
    job = next(pid for pid in descendants(process.pid) if tool in descendants(pid) and runs(pid, "job.py"))
    os.kill(job, how)
    assert within(3, lambda: start_ticks(tool) is None)


def runs(pid, script):
    with open(f"/proc/{pid}/cmdline") as file:
        return file.read().split("\0")[1:2] == [script]


def test_job_whose_caller_died_before_it_began_does_not_begin(tmp_path):
    gone = subprocess.Popen(["true"])
    dead = ProcessIdentity(**(vars(ProcessIdentity.own()) | {"pid": gone.pid, "started": 1})).text()
    gone.wait()
    (tmp_path / "job.py").write_text(
        "from dsbench.dag.rule_script import explained\nwith explained('x.log'): print('ran')"
    )
    env = os.environ | {"PYTHONPATH": str(PROJECT / "workflow/scripts"), VARIABLE: dead}
    done = subprocess.run(
        [sys.executable, "job.py"], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL and done.stdout == ""
    assert "the snakemake call that started this job is gone" in done.stderr


def test_caller_on_another_machine_is_left_alone(monkeypatch):
    elsewhere = ProcessIdentity(**(vars(ProcessIdentity.own()) | {"host": "node7"}))
    assert elsewhere.is_alive() is None
    assert ProcessIdentity.own().is_alive() is True
    assert ProcessIdentity(**(vars(ProcessIdentity.own()) | {"boot": "before"})).is_alive() is False
    assert ProcessIdentity.parse(elsewhere.text()) == elsewhere
    assert ProcessIdentity.parse(elsewhere.text()[:20]) is None
