"""What an upgrade would rebuild: before and now, with the time of the last run, and nothing guessed."""

import json
import os

import pytest

from dsbench.core.errors import BuildError
from dsbench.dag.jobs import dag_jobs
from dsbench.dag.upgrade_plan import upgrade_plan

NO_REASON = {
    **dict.fromkeys(("updated", "missing", "incomplete", "params_before", "params_now"), ()),
    **dict.fromkeys(("is_script_changed", "is_input_set_changed", "is_environment_changed"), False),
}
SMALL = """
rule fact:
    output: "fact.txt"
    params: value=config["value"]
    shell: "echo {params.value} > {output}"

rule number:
    input: "fact.txt"
    output: "number.txt"
    benchmark: "number.tsv"
    shell: "cp {input} {output}"

rule other:
    output: "other.txt"
    shell: "touch {output}"

rule all:
    default_target: True
    input: "number.txt", "other.txt"
"""


def job(rule, needs=(), benchmark=None, wildcards=(), params=(), **reason):
    return {
        "rule": rule,
        "wildcards": dict(wildcards),
        "output": [f"{rule}.out"],
        "benchmark": benchmark,
        "params": dict(params),
        "needs": list(needs),
        "runs": True,
        "reason": NO_REASON | reason,
    }


def fact_job(fact, value):
    return job("record_fact", wildcards={"fact": fact}, params={"value": repr(json.dumps(value))})


def measured(folder, name, seconds):
    file = folder / name
    file.write_text(f"s\th:m:s\tmax_rss\n{seconds}\t0:00:01\t12.5\n")
    return str(file)


@pytest.fixture
def facts(tmp_path):
    folder = tmp_path / "facts"
    folder.mkdir()
    (folder / "driver.json").write_text('"595.58.03"\n')
    (folder / "deepstream.json").write_text('{"tensorrt": "10.16.0", "version": "9.0.0"}\n')
    return folder


def test_plan_says_before_now_and_the_time_it_took(facts, tmp_path):
    jobs = [
        fact_job("driver", "600.10"),
        job("build_engine", [0], measured(tmp_path, "build.tsv", 75.4), {"model": "a", "batch": "64"}),
        job("render_html", [1], measured(tmp_path, "html.tsv", 2.0)),
    ]
    plan = upgrade_plan(jobs, facts)
    assert "3 of 3 jobs would run, 1 min 17 s one after another, and unknown for 1 never measured." in plan
    assert "  driver: 595.58.03 -> 600.10\n" in plan
    rows = {line.split()[0]: line.split() for line in plan.splitlines() if line.startswith("  ")}
    assert rows["build_engine"] == ["build_engine", "a", "batch=64", "1", "min", "15", "s", "driver"]
    assert rows["render_html"] == ["render_html", "2.0", "s", "driver"]
    assert rows["record_fact"] == ["record_fact", "driver", "unknown", "driver"]


def test_only_the_part_of_a_fact_that_changed_is_shown(facts):
    plan = upgrade_plan([fact_job("deepstream", {"tensorrt": "10.16.0", "version": "9.1.0"})], facts)
    assert "  deepstream: version 9.0.0 -> version 9.1.0\n" in plan
    assert "  gpu: not recorded -> L40S, 8.9\n" in upgrade_plan([fact_job("gpu", ["L40S, 8.9"])], facts)
    assert "  driver: 595.58.03 -> absent\n" in upgrade_plan([fact_job("driver", None)], facts)


def test_files_settings_and_code_are_named_as_reasons(facts):
    params = {"code": "'0a1b'", "threshold": "0.4"}
    jobs = [
        job("inspect_video", updated=["clip.mp4"]),
        job("write_config", params=params, params_before=["0.3"], params_now=["0.4"]),
        job("draw_charts", params=params, params_before=["'ffff'"], params_now=["'0a1b'"]),
        job("benchmark", missing=["ds_s2_run1.log"]),
    ]
    plan = upgrade_plan(jobs, facts)
    assert "  clip.mp4: is newer and differs\n" in plan
    assert "  threshold of write_config: 0.3 -> 0.4\n" in plan
    assert "  code of draw_charts: a library module it uses was edited\n" in plan
    assert "  ds_s2_run1.log of benchmark: missing or left half made\n" in plan


def test_time_file_that_a_kill_left_empty_is_unknown(facts, tmp_path):
    (tmp_path / "x.tsv").touch()
    plan = upgrade_plan([job("build_engine", benchmark=str(tmp_path / "x.tsv"))], facts)
    assert "1 of 1 jobs would run, time unknown." in plan


def test_time_of_jobs_that_never_ran_is_unknown_not_guessed(facts, tmp_path):
    plan = upgrade_plan([job("build_engine", benchmark=str(tmp_path / "none.tsv"))], facts)
    assert "1 of 1 jobs would run, time unknown." in plan


@pytest.mark.parametrize(
    ("seconds", "shown"), [(59.4, "59.4 s"), (119.7, "2 min 00 s"), (3601.2, "60 min 01 s")]
)
def test_times_are_rounded_before_they_are_split(facts, tmp_path, seconds, shown):
    plan = upgrade_plan([job("build_engine", benchmark=measured(tmp_path, "b.tsv", seconds))], facts)
    assert f"1 of 1 jobs would run, {shown} one after another." in plan


def test_plan_of_a_finished_tree_is_empty(facts):
    done = job("build_engine") | {"runs": False}
    assert upgrade_plan([done], facts) == "Upgrade plan: nothing would be rebuilt.\n"


def test_dag_of_a_real_workflow_is_read_without_building(tmp_path):
    (tmp_path / "Snakefile").write_text(SMALL)
    jobs = dag_jobs(tmp_path / "Snakefile", tmp_path, {"value": 7}, ["all"])
    found = {each["rule"]: each for each in jobs}
    assert found["fact"]["params"] == {"value": "7"}
    assert [jobs[need]["rule"] for need in found["number"]["needs"]] == ["fact"]
    assert found["number"]["benchmark"] == "number.tsv"
    assert found["number"]["runs"] and found["other"]["reason"]["missing"] == ["other.txt"]
    assert [path.name for path in tmp_path.iterdir() if path.name != ".snakemake"] == ["Snakefile"]
    assert os.listdir(tmp_path / ".snakemake/locks") == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('rule all:\n    input: "nobody_makes_this"\n', "nobody_makes_this"),
        (
            'raise WorkflowError("build/toolchain/driver.json: nothing answers")\n',
            "driver.json: nothing answers",
        ),
    ],
)
def test_workflow_that_cannot_be_planned_is_a_sentence(tmp_path, text, says):
    (tmp_path / "Snakefile").write_text(f"from snakemake.exceptions import WorkflowError\n{text}")
    with pytest.raises(BuildError, match="the DAG cannot be made") as found:
        dag_jobs(tmp_path / "Snakefile", tmp_path, {}, ["all"])
    assert says in str(found.value)
    assert "Traceback" not in str(found.value)
