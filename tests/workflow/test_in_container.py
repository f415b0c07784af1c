"""The start script for NVIDIA's container, with stand-ins for apt-get and for NVIDIA's script of codecs."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
OWNER = 12345

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the script changes the user, which only root may")


@pytest.fixture
def place():
    """Return a folder that every user can enter, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def start(place):
    """Return a function that runs a command through the script in a project of OWNER's, and what was installed."""
    project, programs, log = place / "project", place / "bin", place / "installed.txt"
    (project / "envs").mkdir(parents=True)
    programs.mkdir()
    shutil.copy(PROJECT / "envs/in_container.sh", project / "envs")
    (project / "envs/install_system_packages.sh").write_text(f'echo "system packages for $PYTHON" >> {log}\n')
    (place / "codecs.sh").write_text(f"echo codecs >> {log}\n")
    (programs / "apt-get").write_text(f'#!/bin/sh\necho "$@" >> {log}\n')
    (programs / "apt-get").chmod(0o755)
    for path in (project, *project.rglob("*")):
        os.chown(path, OWNER, OWNER)

    def run(*command, **variables):
        places = {
            "CODECS": place / "codecs.sh",
            "CODECS_DONE": place / "done",
            "CACHE": place / "cache",
        }
        done = subprocess.run(
            ["sh", "envs/in_container.sh", *command],
            cwd=project,
            env={
                "PATH": f"{programs}:{os.environ['PATH']}",
                **{key: str(path) for key, path in places.items()},
            }
            | variables,
            capture_output=True,
            text=True,
            check=False,
        )
        return done, log.read_text().splitlines() if log.exists() else []

    return run


def test_command_runs_as_the_owner_of_the_project_with_the_cache_as_home(start, place):
    done, _ = start("sh", "-c", 'id -u; id -G; echo "$HOME"; touch made "$HOME/made"; exit 7')
    assert done.returncode == 7
    assert done.stdout.splitlines()[-3:] == [f"{OWNER}", f"{OWNER}", f"{place / 'cache'}"]
    assert (place / "project/made").stat().st_uid == OWNER


def test_codecs_are_installed_once_and_system_packages_looked_at_each_time(start):
    start("true")
    _, installed = start("true")
    assert installed == ["codecs", "system packages for python3", "system packages for python3"]


def test_python_that_the_image_lacks_is_installed_with_its_venv(start):
    done, installed = start("sh", "-c", 'echo "$PYTHON"', PYTHON="python3.99")
    assert installed[0] == "update -qq"
    assert installed[1] == "install -y -qq --no-install-recommends python3.99 python3.99-venv"
    assert installed[-1] == "system packages for python3.99"
    assert done.stdout.splitlines()[-1] == "python3.99"


def test_start_with_another_user_is_one_sentence():
    done = subprocess.run(
        ["setpriv", "--reuid", str(OWNER), "--regid", str(OWNER), "--clear-groups", "sh"],
        input=(PROJECT / "envs/in_container.sh").read_text(),
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(
        "ERROR packages are installed as root: start the container without --user; "
    )
