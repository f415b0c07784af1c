"""One job at a time on a device of this host, whoever started it and however it ended."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dsbench.core import locks
from dsbench.core.locks import DeviceLock, LockError, lock_directory
from dsbench.core.process_identity import start_ticks

USER = Path(__file__).parents[1] / "support/device_user.py"
NOBODY = "65534"


@pytest.fixture
def directory(tmp_path_factory):
    """A folder as /tmp is: all users may write, none may remove another's file."""
    folder = tmp_path_factory.mktemp("locks")
    for parent in list(folder.parents)[:3]:
        parent.chmod(0o755)
    folder.chmod(0o1777)
    return folder


@pytest.fixture
def other(directory):
    """Return a function that starts another process which takes the lock, and what it printed."""
    started = []

    def start(*user):
        command = [sys.executable, str(USER), "GPU-1", str(directory), *user]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process, [process.stdout.readline().strip() for _ in range(2)]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_lock_is_one_process_s_until_it_lets_go(directory, other):
    process, said = other()
    assert said == ["mine", "after None"]
    lock = DeviceLock("GPU-1", directory)
    assert not lock.take("mine.log")
    assert (lock.holder.process.pid, lock.holder.job) == (process.pid, "/jobs/of/nobody.log")
    assert lock.holder.process.is_alive()
    assert f"process {process.pid} on " in lock.holder.told() and "(0 min)" in lock.holder.told()
    assert DeviceLock("GPU-2", directory).take("mine.log")
    process.communicate()
    assert lock.take("mine.log")


def test_lock_of_a_killed_owner_is_taken_over_and_the_owner_named(directory, other):
    process, _ = other()
    process.send_signal(signal.SIGKILL)
    process.wait()
    lock = DeviceLock("GPU-1", directory)
    assert lock.take("mine.log")
    assert lock.dead.process.pid == process.pid and lock.dead.process.is_alive() is False
    lock.release()
    again = DeviceLock("GPU-1", directory)
    assert again.take("mine.log") and again.dead is None


def test_process_of_the_same_id_is_not_the_owner(directory):
    lock = DeviceLock("GPU-1", directory)
    lock.take("mine.log")
    facts = json.loads(lock.path.read_text())
    assert facts["process"]["pid"] == os.getpid()
    earlier = facts["process"] | {"started": facts["process"]["started"] - 1}
    lock.path.write_text(json.dumps(facts | {"process": earlier}))
    second = DeviceLock("GPU-1", directory)
    assert not second.take("mine.log")
    assert second.holder.process.is_alive() is False


def test_what_the_owner_started_keeps_the_lock_it_inherited(directory):
    lock = DeviceLock("GPU-1", directory)
    lock.take("mine.log")
    tool = subprocess.Popen(["sleep", "60"], pass_fds=[lock.descriptor])
    try:
        os.close(lock.descriptor)
        assert not DeviceLock("GPU-1", directory).take("mine.log")
    finally:
        tool.kill()
        tool.wait()
    assert DeviceLock("GPU-1", directory).take("mine.log")


def test_an_owner_that_lets_go_does_so_for_what_it_started(directory):
    lock = DeviceLock("GPU-1", directory)
    lock.take("mine.log")
    tool = subprocess.Popen(["sleep", "60"], pass_fds=[lock.descriptor])
    lock.release()
    assert DeviceLock("GPU-1", directory).take("mine.log")
    tool.kill()
    tool.wait()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_two_users_share_one_lock(directory, other):
    ours = DeviceLock("GPU-1", directory)
    assert ours.take("mine.log")
    _, said = other(NOBODY)
    assert said[0] == f"held by {json.loads(ours.path.read_text())['user']}"
    ours.release()
    theirs, said = other(NOBODY)
    assert said[0] == "mine"
    assert not ours.take("mine.log")
    assert ours.holder.user == "nobody"
    theirs.kill()
    theirs.wait()
    assert ours.take("mine.log") and ours.dead.user == "nobody"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_lock_made_by_another_user_under_a_strict_umask_is_for_everyone(directory, other):
    before = os.umask(0o077)
    try:
        process, said = other(NOBODY)
    finally:
        os.umask(before)
    assert said[0] == "mine"
    path = DeviceLock("GPU-1", directory).path
    assert (path.stat().st_uid, path.stat().st_mode & 0o777) == (int(NOBODY), 0o666)
    process.communicate()
    assert DeviceLock("GPU-1", directory).take("mine.log")


def symlink(path, target):
    path.symlink_to(target)


def hard_link(path, target):
    target.chmod(0o666)
    os.link(target, path)


def fifo(path, _):
    os.mkfifo(path, 0o666)
    path.chmod(0o666)


def private(path, _):
    path.touch(0o600)


@pytest.mark.parametrize("trap", [symlink, hard_link, fifo, private, lambda path, _: path.mkdir()])
def test_what_is_no_lock_is_refused_and_left_alone(directory, tmp_path, trap):
    target = tmp_path / "secret"
    target.write_text("not yours")
    lock = DeviceLock("GPU-1", directory)
    trap(lock.path, target)
    with pytest.raises(
        LockError, match=r"GPU-1\.lock: the lock .*; have it removed, or let GPU_LOCK_DIRECTORY"
    ):
        lock.take("mine.log")
    assert target.read_text() == "not yours"


def test_file_that_was_removed_and_made_anew_is_not_two_locks(directory, monkeypatch):
    held, flock = DeviceLock("GPU-1", directory), fcntl.flock

    def removed_meanwhile(*arguments):
        flock(*arguments)
        held.path.unlink()

    monkeypatch.setattr(fcntl, "flock", removed_meanwhile)
    assert not held.take("mine.log")
    monkeypatch.setattr(fcntl, "flock", flock)
    assert held.take("mine.log")


def test_words_of_another_user_do_no_harm(directory, other):
    lock = DeviceLock("GPU-1", directory)
    other()
    facts = json.loads(lock.path.read_text())
    lock.path.write_text(json.dumps(facts | {"job": "x\x1b[2J\ny"}))
    assert not lock.take("mine.log")
    assert lock.holder.told().endswith("for x?[2J?y")
    nonsense = ["", "{", "[]", "[" * 4096, '{"x":' * 800, '{"user": 1}', "\xff" * 9000, "\0" * 4096]
    nonsense += [json.dumps(facts | {"since": since}) for since in ("now", "2026-01-01", 5)]
    for pid in (-1, 0, 10**30, 1.5, "1", None, [[]]):
        nonsense.append(json.dumps(facts | {"process": facts["process"] | {"pid": pid}}))
    for text in nonsense:
        lock.path.write_text(text)
        assert not lock.take("mine.log")
        assert lock.holder is None


def test_directory_is_the_one_where_all_users_may_write(tmp_path, monkeypatch):
    monkeypatch.delenv("GPU_LOCK_DIRECTORY")
    own, shared = tmp_path / "run", tmp_path / "tmp"
    own.mkdir(mode=0o755)
    monkeypatch.setattr(locks, "DIRECTORIES", (own, shared))
    with pytest.raises(LockError, match="neither is a directory where all users may write"):
        lock_directory()
    shared.mkdir()
    shared.chmod(0o1777)
    assert lock_directory() == shared
    own.chmod(0o1777)
    assert lock_directory() == own


def test_zombie_owner_has_ended():
    process = subprocess.Popen(["true"])
    deadline = time.monotonic() + 10
    while start_ticks(process.pid) is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert start_ticks(process.pid) is None
    process.wait()
