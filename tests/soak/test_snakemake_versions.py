"""The oldest and the newest Snakemake that the project admits are as snakemake_internals.py uses them."""

import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from workflow_run import PROJECT

OLDEST = re.search(r'^min_version\("(.+)"\)$', (PROJECT / "Snakefile").read_text(), re.M)[1]


@pytest.mark.parametrize("wanted", [f"snakemake=={OLDEST}.*", "snakemake"], ids=["oldest", "newest"])
def test_snakemake_is_as_it_is_used(tmp_path, wanted):
    python = tmp_path / "bin/python"
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path)], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--upgrade", wanted], check=True)
    # All else comes from the environment that runs this test; what lies in the new one is found first.
    packages = next(tmp_path.glob("lib/python*/site-packages"))
    (packages / "project.pth").write_text(sysconfig.get_path("purelib"))
    suite = PROJECT / "tests/dag/test_snakemake_internals.py"
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(suite)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    shown = subprocess.run(
        [python, "-c", "import snakemake; print(snakemake.__file__)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(shown.stdout.strip()).is_relative_to(tmp_path), "the version that was asked is this one"
