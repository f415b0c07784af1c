"""Programs on somebody else's files see no network and no files but their own, as root and as a normal user."""

import os
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from bounded_child import needs_bwrap
from dsbench.tools import confined as boxes
from dsbench.tools.confined import NO_NETWORK, NOTHING, OWN_FILES, READ_ONLY, confined

TRIES = """
cat {own}/read.txt
cat {secret} && echo SEEN
echo written > {scratch}/out.txt
echo x > {own}/more.txt && echo WRITTEN
grep -c : /proc/net/dev
kill -0 {pid} && echo REACHED
exit 0
"""


@pytest.fixture(params=[None, 65534], ids=["as this user", "as nobody"])
def user(request):
    if request.param and os.getuid():
        pytest.skip("only root can be another user")
    return request.param


@pytest.fixture(autouse=True)
def tried_anew():
    boxes._works.cache_clear()
    yield
    boxes._works.cache_clear()


@pytest.fixture
def folders():
    """A folder to read, one to write, and a file that is nobody's business, all open to everybody."""
    with TemporaryDirectory() as made:
        own, scratch, secret = Path(made, "own"), Path(made, "scratch"), Path(made, "secret.txt")
        Path(made).chmod(0o755)
        for folder in (own, scratch):
            folder.mkdir()
            folder.chmod(0o777)
        (own / "read.txt").write_text("own\n")
        secret.write_text("secret\n")
        yield own, scratch, secret


def run(folders, readable, user, leaves_root=False):
    own, scratch, secret = folders
    script = TRIES.format(own=own, scratch=scratch, secret=secret, pid=os.getpid())
    box = confined(["/bin/sh", "-c", script], readable, [scratch], leaves_root)
    done = subprocess.run(
        box.command, capture_output=True, text=True, check=True, user=user, timeout=60, cwd="/"
    )
    assert (scratch / "out.txt").read_text() == "written\n"
    return box.protections, done.stdout.split()


@needs_bwrap
def test_a_program_sees_its_own_files_alone_and_no_network(folders, user):
    # The one line with a colon is that of the loopback.
    assert run(folders, [folders[0]], user) == (OWN_FILES, ["own", "1"])


@needs_bwrap
def test_root_is_nobody_in_its_box_where_that_is_asked(folders):
    if os.getuid() or not boxes.can_leave_root():
        pytest.skip("this user is not root, or no user namespaces are allowed here")
    assert run(folders, [folders[0]], None, leaves_root=True) == (OWN_FILES, ["own", "1"])
    assert (folders[1] / "out.txt").stat().st_uid == 0
    box = confined(["/usr/bin/id", "-u"], [], [], leaves_root=True)
    assert subprocess.run(box.command, capture_output=True, text=True, check=True).stdout == "65534\n"


@needs_bwrap
def test_a_program_that_may_read_everything_writes_to_its_own_folder_alone(folders, user):
    assert run(folders, None, user) == (READ_ONLY, ["own", "secret", "SEEN", "1"])


def test_where_bubblewrap_is_not_the_network_is_taken_away(folders, tmp_path, monkeypatch):
    if subprocess.run(["unshare", "--net", "true"], check=False).returncode:
        pytest.skip("no namespaces are allowed here")
    (tmp_path / "bin").mkdir()
    for program in ("unshare", "true"):
        (tmp_path / "bin" / program).symlink_to(shutil.which(program))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    box = confined(["/bin/grep", "-c", ":", "/proc/net/dev"], [], [])
    assert box.protections == NO_NETWORK
    assert subprocess.run(box.command, capture_output=True, text=True, check=True).stdout == "1\n"


def test_where_nothing_works_the_program_runs_and_that_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    box = confined(["/bin/echo", "ran"], [], [])
    assert (box.command, box.protections) == (["/bin/echo", "ran"], NOTHING)
