"""Kill the main job where it happens to be, call it again, and again; benchmarks/kills.py does so 50 times for real."""

import random
import shutil
import time

import pytest

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
