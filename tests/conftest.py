import os
import shutil
import subprocess

import pytest

from exported_families import write_zoo
from workflow_run import REPORT, copied, snakemake, traced


@pytest.fixture(scope="session", autouse=True)
def own_locks(tmp_path_factory):
    """Devices that are pretended are no one else's: these tests wait for nobody on this machine."""
    os.environ["GPU_LOCK_DIRECTORY"] = str(tmp_path_factory.mktemp("own_locks"))


@pytest.fixture(scope="session")
def trace(tmp_path_factory):
    """The file that tells what each process of the main job opened and started, None without a strace that may."""
    file = tmp_path_factory.mktemp("trace") / "strace.txt"
    may = shutil.which("strace") and subprocess.run([*traced(file), "true"], check=False).returncode == 0
    return file if may else None


@pytest.fixture(scope="session")
def finished(tmp_path_factory, trace):
    """The main job, done once on the embedded runtime with short measurements; never changed by a test."""
    directory = tmp_path_factory.mktemp("main_job")
    done = snakemake(directory, REPORT, under=traced(trace) if trace else ())
    assert done.returncode == 0, done.stdout[-8000:]
    return directory


@pytest.fixture(scope="session")
def zoo(finished, tmp_path_factory):
    """Tiny models in Hugging Face layout, by their names in exported_families.EXPORTED."""
    directory = tmp_path_factory.mktemp("zoo")
    write_zoo(finished / "build/.venv_optimum/bin/python", directory)
    return directory


@pytest.fixture
def tree(finished, tmp_path_factory):
    """A copy of the finished main job that a test may change; the export environment is not copied."""
    return copied(finished, tmp_path_factory.mktemp("copy"))
