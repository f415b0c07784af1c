"""What others can write is read within bounds: no link is followed, no pipe waited for, no gigabyte taken in."""

import os
import socket
from pathlib import Path

import pytest

from bounded_child import run_child
from dsbench.core.files import ForeignFileError, read_bounded

KERNEL_MADE = Path("/proc/self/status")
MOST_S, MOST_MB = 20, 250
# Each of them meets a gigabyte of opening brackets, or a pipe, in place of the file of another user.
READERS = {
    "lock of a device": (
        "from dsbench.core.locks import DeviceLock\n"
        "lock = DeviceLock('GPU-1', path.parent)\n"
        "path.rename(lock.path)\n"
        "print('taken', lock.take('my.log'), lock.dead)"
    ),
    "lock of a build": (
        "from dsbench.core.locks import BuildLock\nBuildLock(path).hold()\nprint('taken True None')"
    ),
    "report of another tree": "from dsbench.report.report_data import read_data\nread_data(path)",
    "names of classes": "from dsbench.intake.labels import read_source_labels\nread_source_labels(path)",
    "settings of a model": "from dsbench.intake.json_files import read_json_file\nread_json_file(path)",
    "true boxes": (
        "from types import SimpleNamespace\n"
        "from dsbench.boxes.truth import read_truth\n"
        "read_truth(path, SimpleNamespace(width=1280, height=720, frames=10), ['car'])"
    ),
    "true boxes of a frame": (
        "from types import SimpleNamespace\n"
        "from dsbench.boxes.truth import read_truth\n"
        "(path.parent / 'kitti').mkdir()\n"
        "(path.parent / 'kitti/0.txt').symlink_to(path)\n"
        "read_truth(path.parent / 'kitti', SimpleNamespace(width=1280, height=720, frames=1), ['car'])"
    ),
    "names beside a MOT file": (
        "from types import SimpleNamespace\n"
        "from dsbench.boxes.truth import read_truth\n"
        "(path.parent / 'gt.txt').write_text('1,1,10,20,100,60,1,1,1')\n"
        "path.rename(path.with_name('labels.txt'))\n"
        "read_truth(path.parent / 'gt.txt', SimpleNamespace(width=1280, height=720, frames=1), ['car'])"
    ),
    "true boxes for the DAG": (
        "from dsbench.machine.clip import choose_truth\nchoose_truth(str(path), path, path.parent)"
    ),
}
TOLD = """
import sys
from pathlib import Path
from dsbench.core.errors import BuildError
path = Path(sys.argv[1])
try:
{}
except BuildError as error:
    print("refused", error)
"""


def ask(reader, path, folder):
    code = TOLD.format("".join(f"    {line}\n" for line in READERS[reader].splitlines()))
    done = run_child(code, path, folder=folder)
    assert done.status == 0, done.text
    assert done.seconds < MOST_S and done.peak_mb < MOST_MB
    return done.text


def brackets(path):
    path.write_bytes(b"[" * (1 << 20))
    os.truncate(path, (1 << 30) + 1)
    path.chmod(0o666)


@pytest.mark.parametrize("reader", READERS)
def test_a_gigabyte_is_refused_by_its_size(tmp_path, reader):
    brackets(tmp_path / "file")
    said = ask(reader, tmp_path / "file", tmp_path)
    # What a lock says is of no use; the lock itself is free.
    assert "taken True None" in said if "lock" in reader else "1073741825 bytes" in said


@pytest.mark.parametrize("reader", READERS)
def test_a_pipe_that_nobody_writes_to_is_not_waited_for(tmp_path, reader):
    os.mkfifo(tmp_path / "file", 0o666)
    assert "refused" in ask(reader, tmp_path / "file", tmp_path)


def link(path, target):
    path.symlink_to(target)


def unix_socket(path, _):
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


KINDS = {
    "link": (link, "is a link"),
    "folder": (lambda path, _: path.mkdir(), "is a folder"),
    "pipe": (lambda path, _: os.mkfifo(path), "a pipe"),
    "socket": (unix_socket, "is a socket"),
    "much": (lambda path, _: path.write_text("x" * 65), "65 bytes"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_plain_file_of_that_size_is_refused(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    target, (make, says) = tmp_path / "secret", KINDS[kind]
    target.write_text("not yours")
    make(tmp_path / "file", target)
    with pytest.raises(ForeignFileError, match=f"file: .*{says}"):
        read_bounded(tmp_path / "file", 64)
    assert target.read_text() == "not yours"


def test_a_file_that_grows_beyond_its_stated_size_ends_at_the_bound():
    # The kernel states 0 bytes for it.
    with pytest.raises(ForeignFileError, match="bytes"):
        read_bounded(KERNEL_MADE, 64)


def test_a_plain_file_is_read_whole_and_a_link_where_it_may_be_followed(tmp_path):
    file, alias = tmp_path / "file", tmp_path / "alias"
    file.write_bytes(b"x" * 64)
    alias.symlink_to(file)
    assert read_bounded(file, 64) == read_bounded(alias, 64, through_links=True) == b"x" * 64


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_a_file_that_is_not_this_user_s_to_read_is_an_error_with_its_name(tmp_path):
    (tmp_path / "file").write_text("not yours")
    (tmp_path / "file").chmod(0o600)
    os.seteuid(65534)
    try:
        with pytest.raises(PermissionError) as refused:
            read_bounded(tmp_path / "file", 64)
    finally:
        os.seteuid(0)
    assert Path(refused.value.filename) == tmp_path / "file"
