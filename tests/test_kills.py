"""Kill the main job where it happens to be, call it again, and again; benchmarks/kills.py does so 50 times for real."""

import json
import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest

from dsbench.caller import descendants
from killed_job import FAKE_CONFIG, HITS, KilledJob, fake_tools, fresh

KILLS = 10
LONGEST_S = 6


@pytest.fixture
def job(finished, tmp_path_factory):
    # A sibling of the finished job: what is written of paths to the project is the same in both.
    directory = tmp_path_factory.mktemp("killed")
    fresh(finished, directory)
    yield KilledJob(
        finished, directory, fake_tools(finished / "models/rtdetr/samples/kitti_output"), FAKE_CONFIG
    )
    shutil.rmtree(directory)


def test_killed_again_and_again_the_same_command_finishes(job):
    chance = random.Random(6)
    ran = [
        # Every second one while jobs run, however long a slow machine takes to make the DAG.
        job.kill_after(
            chance.uniform(0.2, LONGEST_S), chance.choice(HITS), chance, from_first_job=number % 2 == 1
        )
        for number in range(KILLS)
    ]
    assert len(set(ran) - {None, "before the first job"}) > 1
    job.kill_after(None, "snakemake", chance)
    job.check_complete()


def test_second_call_at_once_is_refused_in_one_sentence_and_the_first_goes_on(job):
    first, lock = job.call(), job.directory / ".snakemake/build.lock"
    while not (lock.is_file() and f'"pid": {first.pid},' in lock.read_text()):
        assert first.poll() is None
        time.sleep(0.05)
    job.log.rename(job.log.with_suffix(".first"))
    second = job.call()
    assert second.wait() == 1
    sentence = f"{job.directory}: another call builds here, process {first.pid} on "
    assert [line for line in job.log.read_text().splitlines() if line.startswith(sentence)]
    assert "Traceback" not in job.log.read_text()
    assert first.poll() is None and f'"pid": {first.pid},' in lock.read_text()
    first.kill()
    first.wait()


def test_a_killed_export_is_begun_again_and_no_other_exporter_is_taken(job):
    fresh(job.finished, job.directory, is_exported=False)
    job.arguments, attempts = ("build/export/rtdetr/model.onnx",), "models/rtdetr/model/export_attempts.json"
    call, exporter = job.call(), None
    while exporter is None:
        assert call.poll() is None, job.log.read_text()
        time.sleep(0.02)
        exporter = next((pid for pid in descendants(call.pid) if "torch_export" in _command(pid)), None)
    os.kill(exporter, signal.SIGKILL)
    assert call.wait() != 0
    said = job.log.read_text()
    assert "optimum ended with signal SIGKILL" in said and "says nothing about the model" in said
    assert not (job.directory / attempts).exists()
    assert job.call().wait() == 0, job.log.read_text()
    again, whole = (json.loads((tree / attempts).read_text()) for tree in (job.directory, job.finished))
    assert [(each["method"], each["verdict"]) for each in again["attempts"]] == [
        (each["method"], each["verdict"]) for each in whole["attempts"]
    ]


def _command(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""
