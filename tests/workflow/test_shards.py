"""Models shared out to working directories, each built by a call of its own."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from dsbench.core.errors import BuildError
from dsbench.dag.shards import SHARDS, share_out, start_lines, write_shards
from dsbench.report.comparison import class_table
from dsbench.report.finished_reports import finished_reports
from workflow_run import PROJECT, planned, snakemake

SCHEMA = yaml.safe_load((PROJECT / "config/schema.yaml").read_text())
DATA = PROJECT / "tests/data/benchmark_data.json"
DEMO = "demo/checkpoint"


@pytest.fixture
def here(tmp_path, monkeypatch):
    folder = tmp_path / "a dir; #1"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def config(models, shards=2, **more):
    entries = {name: {"source": source} for name, source in models.items()}
    return {
        "models": entries,
        "shards": shards,
        "facts": "node",
        "gpu_class": None,
        "environments": None,
    } | more


def write(models, **settings):
    return write_shards(config(models, **settings), None, None, PROJECT, [Path(), PROJECT])


def of_share(number):
    return yaml.safe_load(Path(f"shards/{number}/config/config.yaml").read_text())


def test_shares_are_as_equal_as_can_be():
    shares = share_out([f"m{n}" for n in range(1000)], 8, {})
    assert {len(names) for names in shares.values()} == {125}
    assert sorted(name for names in shares.values() for name in names) == sorted(f"m{n}" for n in range(1000))


def test_a_model_stays_where_it_is_and_a_new_one_goes_where_fewest_are():
    assert share_out(["new", "a", "b", "c"], 3, {"a": 3, "b": 3, "c": 1, "gone": 2}) == {
        1: ["c"],
        2: ["new"],
        3: ["a", "b"],
    }


def test_fewer_shares_than_have_models_are_refused():
    with pytest.raises(BuildError, match="shards is 2, but shards/3 has a already"):
        share_out(["a"], 2, {"a": 3})


def test_a_share_finds_what_the_whole_configuration_names(here):
    Path("mine").mkdir()
    Path("names.txt").write_text("car\n")
    models = {"own": "mine", "demo": DEMO, "hub": "hf:org/name@main", "absent": "nowhere/x.onnx"}
    asked = config(models, environments="~/environments")
    asked["models"]["own"] |= {"labels": "names.txt", "truth": "boxes.json", "beside": "hub"}
    asked["models"]["demo"]["beside"] = "own"
    write_shards(asked, "clip.mp4", "truth.json", PROJECT, [Path(), PROJECT])
    shares = [of_share(number) for number in (1, 2)]
    entries = shares[0]["models"] | shares[1]["models"]
    paths = {"source": "mine", "labels": "names.txt", "truth": "boxes.json"}
    # The other one is in the same share.
    assert entries["own"] == {key: str(here / path) for key, path in paths.items()} | {"beside": "hub"}
    assert "beside" not in entries["demo"]
    assert entries["demo"]["source"] == str(PROJECT / DEMO)
    assert entries["hub"]["source"] == models["hub"] and entries["absent"]["source"] == models["absent"]
    for share in shares:
        assert share["environments"] == str(Path("~/environments").expanduser())
        assert share["video"] == str(here / "clip.mp4")
        assert "facts" not in share and "shards" not in share
        Draft202012Validator(SCHEMA).validate(share)


def test_written_again_nothing_moves_and_what_is_new_is_added(here):
    write({"a": DEMO, "b": DEMO})
    write({"c": DEMO, "b": DEMO, "a": DEMO})
    assert [list(of_share(number)["models"]) for number in (1, 2)] == [["a", "c"], ["b"]]
    # As after a power loss: what it had counts as new.
    Path("shards/2/config/config.yaml").write_text("")
    write({"a": DEMO, "b": DEMO, "c": DEMO})
    assert [list(of_share(number)["models"]) for number in (1, 2)] == [["a", "c"], ["b"]]


def test_a_share_without_a_model_is_not_started(here):
    write({"a": DEMO, "b": DEMO})
    assert [str(script) for script in write({"b": DEMO})] == ["shards/2/run.sh"]
    assert not Path("shards/1/run.sh").exists()


def test_the_number_is_asked_for(here):
    with pytest.raises(BuildError, match="say how many, as in --config shards=8"):
        write({"a": DEMO}, shards=None)


def test_the_lines_that_start_them_are_for_a_terminal_and_for_slurm(here):
    lines = start_lines(write({"a": DEMO, "b": DEMO})).splitlines()
    assert "  sh shards/1/run.sh" in lines and "  sbatch shards/2/run.sh" in lines


def test_finished_reports_of_all_shares_are_compared_line_by_line(here):
    for folder in ("1/models/a", "2/classes/l40s/models/b"):
        file = here / "shards" / folder / "reports/benchmark_data.json"
        file.parent.mkdir(parents=True)
        data = json.loads(DATA.read_text()) | {"model_name": folder[-1]}
        file.write_text(json.dumps(data))
    head, _, *rows = class_table(finished_reports(SHARDS), SHARDS).splitlines()
    assert head.startswith("| model | shard | runtime |")
    assert [row.split(" | ")[:2] for row in rows] == [["| a", "1"], ["| b", "2/l40s"]]


def test_rule_shares_out_and_each_share_builds_its_own_models(tmp_path):
    models = "shards: 2\nmodels: {one: {source: demo/checkpoint}, two: {source: demo/checkpoint}}\n"
    done = snakemake(tmp_path, "shards", config=models)
    assert done.returncode == 0 and "  sh shards/2/run.sh\n" in done.stdout, done.stdout[-3000:]
    dry = ["--workflow-profile", str(PROJECT / "profiles/default"), "--cores", "1", "--dry-run"]
    plan = subprocess.run(
        ["sh", str(tmp_path / "shards/2/run.sh"), *dry],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"DS_VIDEO": ""},
        cwd=tmp_path,
        check=False,
    )
    assert plan.returncode == 0, plan.stdout[-3000:]
    assert planned(plan.stdout)["export_onnx"] == 1
    assert "models/two/model/two.onnx" in plan.stdout and "models/one/" not in plan.stdout
    nothing = snakemake(tmp_path, "shards/comparison.md", config=models)
    assert nothing.returncode != 0 and "no finished report of any shard" in nothing.stdout
