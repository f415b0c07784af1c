import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dsbench.core.errors import BuildError
from dsbench.report.comparison import class_table
from dsbench.report.finished_reports import finished_reports
from workflow_run import PROJECT, planned, snakemake

DATA = Path(__file__).parents[1] / "data/benchmark_data.json"
SOURCE = "models/rtdetr/model/source.json"


def in_class(directory, gpu_class, *arguments):
    """Return the finished process of snakemake called in `directory`; naming it would choose the tree."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(PROJECT / "Snakefile"), "--cores", "1"]
    (directory / "config").mkdir(exist_ok=True)
    shutil.copy(PROJECT / "config/config.yaml", directory / "config")
    command += [*arguments, "--config", f"gpu_class={gpu_class}"]
    return subprocess.run(
        command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )


def test_class_has_the_whole_tree_to_itself_and_a_copy_of_it_starts_another(tmp_path):
    done = in_class(tmp_path, "l40s", SOURCE, "build/toolchain/driver.json")
    assert done.returncode == 0, done.stdout[-3000:]
    assert (tmp_path / "classes/l40s" / SOURCE).is_file()
    assert not (tmp_path / "models").exists() and not (tmp_path / "build").exists()
    shutil.copytree(tmp_path / "classes/l40s", tmp_path / "classes/a100")
    (tmp_path / "classes/a100/build/toolchain/driver.json").unlink()
    again = in_class(tmp_path, "a100", "-n", SOURCE, "build/toolchain/driver.json")
    assert planned(again.stdout) == {"record_fact": 1}, again.stdout[-3000:]


@pytest.mark.parametrize(
    ("gpu_class", "option", "says"),
    [
        ("../elsewhere", ["-n"], "gpu_class is '../elsewhere', expected text of the form"),
        ("l40s", ["-n", "--directory", "."], "would win over gpu_class l40s"),
    ],
)
def test_tree_of_a_class_is_never_another(tmp_path, gpu_class, option, says):
    done = in_class(tmp_path, gpu_class, SOURCE, *option)
    assert done.returncode != 0 and says in done.stdout, done.stdout
    assert not (tmp_path / "models").exists()


def test_plan_of_an_upgrade_is_that_of_the_class(tmp_path):
    done = in_class(tmp_path, "l40s", "upgrade_plan")
    assert done.returncode == 0, done.stdout[-3000:]
    assert "  build_engine rtdetr batch=" in done.stdout
    assert not (tmp_path / "classes/l40s/classes").exists()


@pytest.fixture
def classes(tmp_path):
    for name, streams in (("l40s", 5), ("a100", None)):
        data = json.loads(DATA.read_text())
        data["deepstream"]["rt_streams"] = streams or data["deepstream"]["rt_streams"]
        data["runtime"]["name"] = f"TensorRT on {name}|x"
        folder = tmp_path / "classes" / name / "models/rtdetr/reports"
        folder.mkdir(parents=True)
        (folder / "benchmark_data.json").write_text(json.dumps(data))
    return tmp_path


def test_finished_classes_are_compared_line_by_line(classes):
    done = snakemake(classes, "classes/comparison.md")
    assert done.returncode == 0, done.stdout[-3000:]
    head, _, *rows = (classes / "classes/comparison.md").read_text().splitlines()
    assert head.startswith("| model | class | runtime | MAX_BS | images/s |")
    assert rows[0].startswith(
        "| rtdetr | a100 | TensorRT on a100/x | 8 | 199.2 | 48.15 | 6 | 5 | 35.2 | 0.994 |"
    )
    assert rows[1].startswith("| rtdetr | l40s |") and len(rows) == 2


def test_what_was_not_measured_is_said(classes):
    file = classes / "classes/l40s/models/rtdetr/reports/benchmark_data.json"
    data = json.loads(file.read_text())
    data["deepstream"] |= {"run2": None, "rt_streams": None, "real_time": False}
    data["efficiency"]["run2_pct"] = None
    file.write_text(json.dumps(data))
    directory = classes / "classes"
    assert " | not measured | " in class_table(finished_reports(directory), directory)


def test_nothing_finished_is_a_sentence(tmp_path):
    with pytest.raises(BuildError, match="no finished report of any class"):
        class_table(finished_reports(tmp_path))
