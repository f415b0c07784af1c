"""What the build uses of Snakemake beyond its documentation is there, in the Snakemake that runs these tests.

Each test runs a small workflow, so that tests/soak/test_snakemake_versions.py can ask other versions in seconds.
"""

import json
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from dsbench.dag.snakemake_internals import declared_rules, planned_jobs, runs_jobs, settings_of

LIBRARY = Path(__file__).parents[2] / "workflow/scripts"
HEAD = f"import sys\nsys.path.insert(0, {str(LIBRARY)!r})\n"
CALL = """
import json
from dsbench.dag.snakemake_internals import Call, limit_resource, wildcards_of
call = Call.of(workflow, sys.argv[1:])
limit_resource(workflow, "beside_gpu", 3)
shown = {name: value for name, value in vars(call).items() if name != "settings"}
shown |= {"model": wildcards_of(model="a").model, "no_hooks": call.makes_dag and call.settings.no_hooks}
with open("calls.txt", "a") as file:
    print(json.dumps(shown), file=file)

rule all:
    output: "made.txt"
    resources: beside_gpu=1
    run: open(output[0], "w").close()
"""
# As after a download: what `wanted` needs is known once `listing` is made, and --until leaves `part` out before.
LEFT_OUT = """
from pathlib import Path
from dsbench.dag.snakemake_internals import name_below_table, plan_left_out_jobs_anew, put_off, take_up

def parts(wildcards):
    return Path("list.txt").read_text().split() if Path("list.txt").is_file() else []

def part_of_wanted(wildcards):
    return "part.txt" if parts(wildcards) else []

onstart:
    take_up(CHECKPOINTS)
    plan_left_out_jobs_anew(workflow)

rule all:
    input: "wanted.txt", "other.txt"

checkpoint listing:
    output: "list.txt"
    shell: "echo a.txt > {output}"

rule part:
    input: "list.txt", files=parts
    output: "part.txt"
    shell: "cat {input.files} /dev/null > {output}"

rule wanted:
    input: "list.txt", part_of_wanted
    output: "wanted.txt"
    shell: "cat {input} > {output}"

rule other:
    input: "part.txt"
    output: "other.txt"
    shell: "cp {input} {output}"

CHECKPOINTS = put_off(workflow)
if workflow.output_settings.dryrun:
    name_below_table(CHECKPOINTS)
"""
STEPS = """
from dsbench.dag.snakemake_internals import Call, planned_wall_times, tell_through
from dsbench.dag.terminal import StepLines
call = Call.of(workflow, sys.argv[1:])
lines = tell_through(call.settings, StepLines) if call.makes_dag else None

onstart:
    if lines:
        lines.tell_plan(planned_wall_times(workflow))

rule all:
    input: "made.txt"

rule make:
    output: "made.txt"
    benchmark: "make.tsv"
    shell: "echo {config[said]} > {output}"
"""
# As an engine, which is built after the truth is read and not because of that.
ANCIENT = """
from dsbench.dag.snakemake_internals import heed_ancient_files
heed_ancient_files()

rule all:
    input: "engine.txt", "report.txt"

rule truth:
    output: "truth.txt"
    params: config["truth"]
    shell: "date +%N > {output}"

rule engine:
    input: ancient("truth.txt")
    output: "engine.txt"
    params: config["tool"]
    shell: "date +%N > {output}"

rule report:
    input: "truth.txt", "engine.txt"
    output: "report.txt"
    shell: "cat {input} > {output}"
"""
PLAN = """
rule first:
    output: "first.txt"
    params: value=config["value"]
    shell: "echo {params.value} > {output}"

rule second:
    input: "first.txt"
    output: "second.txt"
    benchmark: "second.tsv"
    script: "second.py"

rule all:
    default_target: True
    input: "second.txt"
"""


def not_as_used(words):
    """Return the sentence of a failure: of Snakemake's words those from its first error on."""
    error = re.search(r"^\w*Error.*", words, re.M | re.S)
    told = " ".join((error[0] if error else words).split())[:400]
    return f"Snakemake {version('snakemake')} is not as snakemake_internals.py uses it: {told}"


def ran(directory, text, *arguments):
    """Run Snakemake on a Snakefile; where it fails, say which Snakemake lacks what."""
    (directory / "Snakefile").write_text(HEAD + text)
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "2", *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, not_as_used(done.stdout + done.stderr)
    return done.stdout + done.stderr


def calls(directory):
    return [json.loads(line) for line in (directory / "calls.txt").read_text().splitlines()]


def test_a_call_is_known_by_what_it_does(tmp_path):
    ran(tmp_path, CALL, "-n")
    ran(tmp_path, CALL, "--resources", "gpu=1", "--no-hooks")
    dry, real, *in_jobs = calls(tmp_path)
    common = {"submits": False, "cores": 2, "model": "a"}
    assert dry == common | {
        **{"makes_dag": True, "runs_jobs": False, "is_dry_run": True, "gpus": None, "no_hooks": False}
    }
    assert real == common | {
        **{"makes_dag": True, "runs_jobs": True, "is_dry_run": False, "gpus": 1, "no_hooks": True}
    }
    assert in_jobs and not any(call["makes_dag"] for call in in_jobs), "a job reads the Snakefile again"
    assert all(call["runs_jobs"] for call in in_jobs)


def test_a_call_that_submits_is_known_before_its_rules_are_read(tmp_path):
    ran(tmp_path, CALL, "-n", "--executor", "slurm", "--jobs", "1")
    (call,) = calls(tmp_path)
    assert call["submits"] and call["cores"] is None


def test_settings_tell_calls_that_run_jobs_from_those_that_do_not():
    assert runs_jobs(settings_of(["--cores", "1", "all"]))
    for option in ("-n", "--touch", "--summary", "--lint", "--unlock", "--list-changes=code"):
        assert not runs_jobs(settings_of(["--cores", "1", option])), option


def test_a_job_that_until_left_out_gets_the_files_of_a_checkpoint_that_needs_it(tmp_path):
    (tmp_path / "a.txt").write_text("a\n")
    ran(tmp_path, LEFT_OUT, "--until", "wanted")
    assert (tmp_path / "wanted.txt").read_text() == "a.txt\na\n"
    assert not (tmp_path / "other.txt").exists()


def test_checkpoints_are_named_in_a_dry_run_and_add_jobs_only_as_they_are_made(tmp_path):
    (tmp_path / "a.txt").write_text("a\n")
    assert "more jobs may follow from what these find out: listing\n" in ran(tmp_path, LEFT_OUT, "-n")
    again = "Updating checkpoint dependencies"
    assert again in ran(tmp_path, LEFT_OUT)
    assert (tmp_path / "wanted.txt").read_text() == "a.txt\na\n"
    assert again not in ran(tmp_path, LEFT_OUT)


def test_steps_are_told_in_place_of_snakemakes_own_lines(tmp_path):
    told = ran(tmp_path, STEPS, "--config", "said=once")
    assert re.search(r"^2 steps\n\[1/2\] make +0\.\d s\n\[2/2\] all +0\.\d s$", told, re.M), told
    assert not re.search("jobid|Provided cores|Job stats|rule make", told)
    assert "rule make:" in max((tmp_path / ".snakemake/log").iterdir()).read_text()
    again = ran(tmp_path, STEPS, "--config", "said=again", "--forceall")
    assert re.search(r"^2 steps, about 0\.\d s as last time$", again, re.M), again


@pytest.mark.parametrize("option", ["--printshellcmds", "--verbose", "-n"])
def test_snakemakes_own_lines_are_there_for_who_asks(tmp_path, option):
    told = ran(tmp_path, STEPS, "--config", "said=once", option)
    assert "rule make:" in told and "[1/2]" not in told


@pytest.mark.parametrize(
    ("changed", "made"),
    [
        (("truth=1", "tool=2"), {"engine", "report"}),
        (("truth=2", "tool=1"), {"truth", "report"}),
        (("truth=2", "tool=2"), {"truth", "engine", "report"}),
    ],
)
def test_a_job_behind_an_ancient_file_runs_for_its_own_reasons_alone(tmp_path, changed, made):
    ran(tmp_path, ANCIENT, "--config", "truth=1", "tool=1")
    told = ran(tmp_path, ANCIENT, "-n", "--config", *changed)
    assert set(re.findall(r"^rule (\w+):", told, re.M)) - {"all"} == made


def test_jobs_are_planned_with_their_reasons_and_nothing_is_built(tmp_path, monkeypatch):
    (tmp_path / "Snakefile").write_text(PLAN)
    (tmp_path / "second.py").write_text("open(snakemake.output[0], 'w').close()\n")
    monkeypatch.chdir(tmp_path)
    try:
        first, second, *_ = planned_jobs(tmp_path / "Snakefile", ["all"], {"value": 7})
        rules = {rule.pop("name"): rule for rule in declared_rules(tmp_path / "Snakefile", {"value": 7})}
    except (AttributeError, ImportError, TypeError) as error:
        pytest.fail(not_as_used(f"{type(error).__name__}: {error}"))
    assert first["rule"] == "first" and first["params"] == {"value": "7"} and first["runs"]
    assert first["reason"]["missing"] == ["first.txt"]
    assert second["script"] == "second" and second["needs"] == [0] and second["benchmark"] == "second.tsv"
    file = str(tmp_path / "Snakefile")
    assert rules["first"] == {"file": file, "script": None, "output": ["first.txt"], "log": []}
    assert rules["second"]["script"] == "second"
    assert not list(tmp_path.glob("*.txt"))
    assert os.listdir(tmp_path / ".snakemake/locks") == []


def test_a_snakemake_that_lacks_a_name_is_told_by_version_and_name(tmp_path):
    lacking = "from snakemake.workflow import Workflow\ndel Workflow.is_main_process\n"
    said = rf"Snakemake {version('snakemake')} is not as .* no attribute 'is_main_process'"
    with pytest.raises(AssertionError, match=said):
        ran(tmp_path, lacking + CALL, "-n")
