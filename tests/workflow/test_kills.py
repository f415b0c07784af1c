"""Kill the main job where it happens to be, call it again, and again; benchmarks/kills.py does so 50 times for real."""

import random
import time

from killed_job import HITS

LONGEST_S = 6
# From the start, from the first job on, and from the end of a job on, however long a slow machine takes to come there.
SINCE = ("", " steps", "[ 9/")


def test_killed_again_and_again_the_same_command_finishes(killable):
    chance = random.Random(6)
    ran = [
        killable.kill_after(chance.uniform(0.2, LONGEST_S), hit, chance, since)
        for since, hit in zip(SINCE, HITS, strict=True)
    ]
    assert len(set(ran) - {None, "before the first job"}) > 1
    killable.kill_after(None, "snakemake", chance)
    killable.check_complete()


def test_second_call_at_once_is_refused_in_one_sentence_and_the_first_goes_on(killable):
    first, lock = killable.call(), killable.directory / ".snakemake/build.lock"
    while not (lock.is_file() and f'"pid": {first.pid},' in lock.read_text()):
        assert first.poll() is None
        time.sleep(0.05)
    killable.log.rename(killable.log.with_suffix(".first"))
    second = killable.call()
    assert second.wait() == 1
    sentence = f"{killable.directory}: another call builds here, process {first.pid} on "
    assert [line for line in killable.log.read_text().splitlines() if line.startswith(sentence)]
    assert "Traceback" not in killable.log.read_text()
    assert first.poll() is None and f'"pid": {first.pid},' in lock.read_text()
    first.kill()
    first.wait()
