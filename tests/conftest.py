import gc
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
import yaml
from filelock import FileLock
from snakemake.utils import update_config

from dsbench.dag.jobs import dag_jobs
from dsbench.onnx.export_environment import make_environment
from exported_families import write_zoo
from killed_job import KilledJob, fresh
from nvidia_job import FAKE_CONFIG, NvidiaJob, fake_tools
from workflow_run import ENVIRONMENTS, PROJECT, REPORT, copied, environment, snakemake, traced

# Where Python is told to keep no compiled code, each of the hundreds that the tests start would compile the library.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


# For three workers as long as the main job takes.
MEANWHILE = ("dag", "deepstream", "embedded", "parsers")


def pytest_collection_modifyitems(items):
    """Begin with the files that run whole builds, so that no worker is left with one of them at the end.

    While one worker makes the main job, the others have the files that do not wait for it.
    """
    builds = [item for item in items if "workflow" in item.path.parts]
    waiting = list(dict.fromkeys(item.path for item in builds if "finished" in item.fixturenames))
    others = {item.path for item in builds} - set(waiting)
    others |= {item.path for item in items if item.path.parent.name in MEANWHILE}
    turns = {path: turn for turn, paths in enumerate((waiting[:1], others, waiting[1:])) for path in paths}
    items.sort(key=lambda item: turns.get(item.path, len(turns)))


def pytest_collection_finish():
    """No search for garbage looks through the thousands of collected tests."""
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def own_locks(tmp_path_factory):
    """Devices that are pretended are no one else's: these tests wait for nobody on this machine."""
    os.environ["GPU_LOCK_DIRECTORY"] = str(tmp_path_factory.mktemp("own_locks"))


@pytest.fixture(autouse=True)
def own_temporary_files(monkeypatch):
    """A job's set-up moves the process' temporary files to its working directory; the next test has the usual place."""
    monkeypatch.setattr("tempfile.tempdir", tempfile.gettempdir())
    monkeypatch.setenv("TMPDIR", tempfile.gettempdir())


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """Return a function that has a folder of a name filled once, by whichever of pytest's workers comes first."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def folder(name, fill):
        directory, is_made = shared / name, shared / f"{name}.made"
        with FileLock(shared / f"{name}.lock"):
            if not is_made.exists():
                assert not directory.exists(), f"{directory}: making it failed in another worker"
                directory.mkdir()
                fill(directory)
                is_made.touch()
        return directory

    return folder


@pytest.fixture(scope="session")
def finished(made_once):
    """The main job, done once on the embedded runtime with short measurements; never changed by a test."""

    def fill(directory):
        with tempfile.TemporaryDirectory() as folder:
            # The tracer would follow pip through tens of thousands of files; the job finds what is installed.
            own, lock = Path(folder, ".venv_optimum"), PROJECT / "envs/export.lock"
            make_environment(own, lock, Path(folder, "pip.log"), ENVIRONMENTS)
        file = trace_of(directory)
        may = shutil.which("strace") and subprocess.run([*traced(file), "true"], check=False).returncode == 0
        done = snakemake(directory, REPORT, under=traced(file) if may else ())
        assert done.returncode == 0, done.stdout[-8000:]

    return made_once("main_job", fill)


def trace_of(job):
    """Return the file beside a finished job that tells what each of its processes opened and started."""
    return job.with_name(f"{job.name}.strace")


@pytest.fixture(scope="session")
def trace(finished):
    """The file that tells what each process of the main job opened and started, None without a strace that may."""
    file = trace_of(finished)
    return file if file.is_file() else None


@pytest.fixture(scope="session")
def main_jobs(finished):
    """Every job of the finished main job, as dag_jobs tells them; never changed by a test."""
    config = yaml.safe_load((finished / "config/config.yaml").read_text())
    update_config(config, yaml.safe_load((finished / "overlay.yaml").read_text()))
    return dag_jobs(PROJECT / "Snakefile", finished, config, [REPORT], env=environment({}))


@pytest.fixture(scope="session")
def measured(finished, made_once):
    """The finished main job moved to NVIDIA's programs, which are fakes here; never changed by a test."""

    def fill(directory):
        NvidiaJob(copied(finished, directory), fake_tools(finished)).run(REPORT)

    return made_once("nvidia_job", fill)


@pytest.fixture
def nvidia(measured, finished, beside):
    """A copy of the main job on NVIDIA's programs that a test may change."""
    return NvidiaJob(copied(measured, beside("nvidia")), fake_tools(finished))


@pytest.fixture(scope="session")
def zoo(finished, made_once):
    """Tiny models in Hugging Face layout, by their names in exported_families.EXPORTED."""
    return made_once(
        "zoo", lambda directory: write_zoo(finished / "build/.venv_optimum/bin/python", directory)
    )


@pytest.fixture(scope="session")
def beside(finished, tmp_path_factory):
    """Return a function that makes a folder beside the finished job, from where paths to the project are the same."""

    def folder(name):
        own = tmp_path_factory.mktemp(name)
        return finished.parent / f"{os.environ.get('PYTEST_XDIST_WORKER', 'only')}_{own.name}"

    return folder


@pytest.fixture
def tree(finished, beside):
    """A copy of the finished main job that a test may change; the export environment is not copied."""
    return copied(finished, beside("copy"))


@pytest.fixture
def killable(finished, beside):
    """The main job after its export, to be killed."""
    directory = beside("killed")
    directory.mkdir()
    fresh(finished, directory)
    yield KilledJob(finished, directory, fake_tools(finished, "no_encoder"), FAKE_CONFIG)
    shutil.rmtree(directory)
