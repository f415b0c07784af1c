"""The oldest and the newest Snakemake that the project admits are as snakemake_internals.py and node_job.py use them.

Each is tried with the newest executor plugin for Slurm, whose functions node_job.py calls.
"""

import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from workflow_run import PROJECT

SUITES = (
    "tests/dag/test_snakemake_internals.py",
    "tests/machine/test_node_facts.py::test_job_that_asks_the_node_goes_where_the_profile_sends_gpu_rules",
)
OLDEST = re.search(r'^min_version\("(.+)"\)$', (PROJECT / "Snakefile").read_text(), re.M)[1]


@pytest.mark.parametrize("wanted", [f"snakemake=={OLDEST}.*", "snakemake"], ids=["oldest", "newest"])
def test_snakemake_is_as_it_is_used(tmp_path, wanted):
    python = tmp_path / "bin/python"
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path)], check=True)
    asked = [wanted, "snakemake-executor-plugin-slurm"]
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--upgrade", *asked], check=True)
    # All else comes from the environment that runs this test; what lies in the new one is found first.
    packages = next(tmp_path.glob("lib/python*/site-packages"))
    (packages / "project.pth").write_text(sysconfig.get_path("purelib"))
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *SUITES],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    shown = subprocess.run(
        [
            python,
            "-c",
            "import snakemake, snakemake_executor_plugin_slurm as s; print(snakemake.__file__, s.__file__)",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert all(Path(file).is_relative_to(tmp_path) for file in shown.stdout.split()), (
        "the versions that were asked are these"
    )
