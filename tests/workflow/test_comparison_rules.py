"""The comparison as targets: of reports as they are, none of which is made anew for it."""

import json
import shutil

import pytest

from workflow_run import PROJECT, planned, snakemake

TARGETS = [f"reports/comparison.{kind}" for kind in ("json", "csv", "html", "pdf")]


@pytest.fixture
def tree(tmp_path):
    for name in ("one", "two"):
        folder = tmp_path / "models" / name / "reports"
        folder.mkdir(parents=True)
        data = json.loads((PROJECT / "tests/data/benchmark_data.json").read_text()) | {"model_name": name}
        (folder / "benchmark_data.json").write_text(json.dumps(data))
    return tmp_path


def test_finished_reports_are_compared_and_a_new_one_joins(tree):
    done = snakemake(tree, *TARGETS)
    assert done.returncode == 0, done.stdout[-3000:]
    assert [line.split(",")[3] for line in (tree / TARGETS[1]).read_text().splitlines()] == [
        "model",
        "one",
        "two",
    ]
    assert (tree / "reports/comparison.pdf").read_bytes().startswith(b"%PDF-")
    assert planned(snakemake(tree, "-n", *TARGETS).stdout) == {}
    shutil.copytree(tree / "models/two", tree / "models/three")
    again = planned(snakemake(tree, "-n", TARGETS[1]).stdout)
    assert again == {"compare_models": 1, "tabulate_comparison": 1}


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ("", "no model is finished here, so that there is nothing to compare"),
        ("comparison: {trees: [nowhere]}", "nowhere does not exist, expected a working directory"),
    ],
)
def test_nothing_to_compare_is_told(tmp_path, config, says):
    done = snakemake(tmp_path, TARGETS[2], config=config)
    assert done.returncode != 0
    assert says in " ".join(done.stdout.split()), done.stdout[-3000:]
