"""Two calls in one directory: the second is refused in one sentence, a dead one's lock is taken over."""

import fcntl
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import asdict

import pytest

from dsbench.core.file_times import file_system_time
from dsbench.core.locks import BuildLock, LockError, Owner, TwoCallsError
from dsbench.core.process_identity import ProcessIdentity
from workflow_run import PROJECT, snakemake

HOLDER = """
import sys, time
from pathlib import Path
from dsbench.core.locks import BuildLock
BuildLock(Path(sys.argv[1])).hold()
print("held", flush=True)
if "once" not in sys.argv:
    time.sleep(60)
"""


@pytest.fixture
def lock(tmp_path):
    return tmp_path / "records/build.lock"


def holder(lock, *arguments):
    env = os.environ | {"PYTHONPATH": str(PROJECT / "workflow/scripts")}
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(lock), *arguments], env=env, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    return process


@pytest.fixture
def without_flock(monkeypatch):
    def refuse(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)


def elsewhere(**changes):
    ours = asdict(Owner.own("/another/place"))
    return json.dumps(ours | {"process": ours["process"] | changes})


def linked(lock, target):
    lock.symlink_to(target)


def named_twice(lock, target):
    os.link(target, lock)


def pipe(lock, _):
    os.mkfifo(lock)


@pytest.mark.parametrize("trap", [linked, named_twice, pipe, lambda lock, _: lock.mkdir()])
def test_what_is_no_lock_is_refused_and_its_target_is_left_alone(lock, tmp_path, trap):
    target = tmp_path / "mine"
    target.write_text("not yours")
    lock.parent.mkdir()
    trap(lock, target)
    with pytest.raises(LockError, match=r"build\.lock: the lock is a link or no plain file; remove it"):
        BuildLock(lock).hold()
    assert target.read_text() == "not yours"


@pytest.mark.parametrize("changes", [None, {"pid": 10**30}, {"pid": "x"}])
def test_lock_that_says_nonsense_is_free(lock, changes):
    lock.parent.mkdir()
    lock.write_text("[" * 4096 if changes is None else elsewhere(**changes))
    BuildLock(lock).hold()


def test_words_of_another_user_are_printable(lock):
    lock.parent.mkdir()
    lock.write_text(elsewhere(host="x\x1b[2J\ny"))
    with pytest.raises(TwoCallsError, match=r"on x\?\[2J\?y, which cannot be seen"):
        BuildLock(lock).hold()


def test_clock_of_a_file_system_is_asked_through_no_link(tmp_path):
    target = tmp_path / "mine"
    target.write_text("not yours")
    os.utime(target, (1, 1))
    (tmp_path / f".clock-{os.getpid()}").symlink_to(target)
    assert abs(file_system_time(tmp_path) - time.time()) < 5
    assert target.stat().st_mtime == 1 and list(tmp_path.iterdir()) == [target]


def test_second_call_is_refused_by_name_of_the_first_until_that_is_killed(lock):
    first = holder(lock)
    with pytest.raises(
        TwoCallsError, match=rf"another call builds here, process {first.pid} on .*; wait for it"
    ):
        BuildLock(lock).hold()
    first.kill()
    first.wait()
    BuildLock(lock).hold()


def test_lock_of_a_call_that_ended_is_free(lock):
    holder(lock, "once").wait()
    assert lock.read_text() == ""
    BuildLock(lock).hold()
    assert json.loads(lock.read_text())["process"] == asdict(ProcessIdentity.own())


def test_without_flock_the_living_owner_is_respected_and_the_dead_one_is_not(lock, without_flock):
    first = holder(lock)
    with pytest.raises(TwoCallsError, match="another call builds here"):
        BuildLock(lock).hold()
    first.kill()
    first.wait()
    BuildLock(lock).hold()


def test_of_two_that_begin_at_once_without_flock_the_last_one_holds(lock, without_flock):
    second = threading.Timer(0.1, lambda: lock.write_text(elsewhere(host="node7")))
    second.start()
    with pytest.raises(TwoCallsError, match="on node7"):
        BuildLock(lock, settle_s=0.5).hold()
    assert '"node7"' in lock.read_text()


def test_owner_on_another_machine_is_dead_after_a_minute_of_silence(lock, without_flock):
    lock.parent.mkdir()
    lock.write_text(elsewhere(host="node7"))
    with pytest.raises(
        TwoCallsError, match="on node7, which cannot be seen from this machine and last wrote at"
    ):
        BuildLock(lock).hold()
    an_age_ago = lock.stat().st_mtime - 61
    os.utime(lock, (an_age_ago, an_age_ago))
    BuildLock(lock).hold()


def test_owner_before_the_machine_started_again_is_dead(lock, without_flock):
    lock.parent.mkdir()
    lock.write_text(elsewhere(boot="before"))
    BuildLock(lock).hold()


def test_living_owner_gives_a_sign_of_life(lock, without_flock):
    BuildLock(lock, beat_s=0.05).hold()
    long_ago = lock.stat().st_mtime - 1000
    os.utime(lock, (long_ago, long_ago))
    for _ in range(100):
        if lock.stat().st_mtime > long_ago + 500:
            return
        subprocess.run(["sleep", "0.05"], check=True)
    raise AssertionError("no beat in 5 s")


def test_second_call_is_refused_without_hooks_too(tmp_path):
    asked = ("--no-hooks", "build/toolchain/host.json")
    first = holder(tmp_path / ".snakemake/build.lock")
    refused = snakemake(tmp_path, *asked)
    first.kill()
    first.wait()
    assert refused.returncode != 0
    assert f"another call builds here, process {first.pid}" in refused.stdout.replace("\n", " ")
    assert not (tmp_path / "build/toolchain").exists()
    done = snakemake(tmp_path, *asked)
    assert done.returncode == 0, done.stdout[-3000:]
