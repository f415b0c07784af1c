"""Facts of a GPU node that is not the host that submits; tests/soak/test_slurm.py does it on a real Slurm."""

import json
import os
import re
from pathlib import Path

import pytest
import yaml
from snakemake.cli import parse_args

from declared_rules import declared_rules
from dsbench.dag.node_job import job_resources, submit_command
from dsbench.machine import host
from dsbench.machine.node_facts import (
    CHANGED_FILE,
    NODE_FILE,
    NodeError,
    check_node,
    main,
    probe_node,
    read_node,
)
from dsbench.machine.runtime import encoder
from dsbench.trtexec.passport import machine_facts
from workflow_run import PROJECT, REPORT, planned, snakemake

FAKES = PROJECT / "tests/fakes"
DEEPSTREAM = "/opt/nvidia/deepstream/deepstream"
PROFILE = PROJECT / "profiles/slurm/profile.yaml"
ON_NODE = "facts: node\n"


@pytest.fixture(autouse=True)
def probes_forgotten():
    """Other machines are pretended here; what was probed for one is not true of the next."""
    host.nvidia_smi.cache_clear()
    encoder.cache_clear()
    yield
    host.nvidia_smi.cache_clear()
    encoder.cache_clear()


@pytest.fixture
def node(tmp_path, monkeypatch):
    """A directory with the facts of a node that has NVIDIA's programs, which this machine has not."""
    with monkeypatch.context() as there:
        there.setenv("PATH", f"{FAKES}:/usr/bin:/bin")
        there.chdir(tmp_path)
        NODE_FILE.parent.mkdir(parents=True)
        assert main(["auto", DEEPSTREAM, str(PROJECT), str(NODE_FILE)]) == 0
    return tmp_path


def test_what_the_node_has_decides_and_not_what_the_submitting_host_has(node):
    done = snakemake(node, "build/toolchain/driver.json", "build/toolchain/runtime.json", config=ON_NODE)
    assert done.returncode == 0, done.stdout[-2000:]
    assert json.loads((node / "build/toolchain/driver.json").read_text()) == "595.58.03"
    assert json.loads((node / "build/toolchain/runtime.json").read_text()) == "nvidia"
    jobs = planned(snakemake(node, "-n", REPORT, config=ON_NODE).stdout)
    assert jobs["build_engine"] == 1 and "record_fact" in jobs


def test_dry_run_before_anything_is_recorded_says_how_to_get_it(tmp_path):
    done = snakemake(tmp_path, "-n", REPORT, "--workflow-profile", str(PROFILE.parent))
    assert done.returncode != 0
    assert "build/toolchain/node.json: not there or outdated" in done.stdout
    assert "the same command without -n asks the GPU node first" in done.stdout
    assert not (tmp_path / "build").exists()


def test_facts_of_a_node_need_slurm(tmp_path):
    done = snakemake(tmp_path, REPORT, config=ON_NODE)
    assert "config: facts is node, but the executor is local" in done.stdout


def test_sample_that_only_the_node_sees_is_not_replaced_in_silence(node):
    recorded = json.loads((node / NODE_FILE).read_text())
    (node / NODE_FILE).write_text(json.dumps(recorded | {"sample": "/nowhere/sample_720p.mp4"}))
    # Without a model of the user's own the demonstration's clip is played.
    mine = "models: {mine: {source: somebody/detector}}\n"
    done = snakemake(node, "-n", REPORT, config=ON_NODE + mine)
    assert re.search(r"/nowhere/sample_720p.mp4 is on \S+ and not on \S+; copy it to a folder", done.stdout)


def test_another_setting_or_a_job_that_found_the_node_changed_asks_anew(node, monkeypatch):
    monkeypatch.chdir(node)
    assert read_node("auto", DEEPSTREAM).facts["trtexec"] == {"version": "10.16.0"}
    assert read_node("embedded", DEEPSTREAM) is None
    assert read_node("auto", "/elsewhere") is None
    CHANGED_FILE.write_text("upgraded\n")
    assert read_node("auto", DEEPSTREAM) is None


def test_what_is_of_the_project_is_not_asked_of_the_node():
    facts = probe_node("embedded", DEEPSTREAM, PROJECT).facts
    assert facts["runtime"] == "embedded" and facts["cpu"]
    assert not {"export_lock", "trtexec", "deepstream"} & set(facts)


@pytest.fixture
def on_l40s(tmp_path, monkeypatch):
    """A job on a node with an L40S, in a tree whose facts were recorded on a node."""
    monkeypatch.setenv("PATH", f"{FAKES}:/usr/bin:/bin")
    monkeypatch.chdir(tmp_path)
    NODE_FILE.parent.mkdir(parents=True)
    NODE_FILE.write_text("{}")


RECORDED = {"driver": "595.58.03", "cuda": "13.2", "gpu": ["NVIDIA L40S, 8.9, 46068 MiB"], "openvino": None}


def test_job_on_a_node_of_the_kind_goes_on_whatever_the_number_of_gpus(on_l40s):
    check_node(RECORDED)
    check_node(RECORDED | {"gpu": RECORDED["gpu"] * 8})
    check_node({"cpu": host.cpu() | {"cores": 999}})


def test_job_on_another_kind_of_node_fails_with_one_sentence(on_l40s):
    with pytest.raises(
        NodeError, match=r"for NVIDIA A100.*, this job ran on .* has NVIDIA L40S.*one kind of node"
    ) as error:
        check_node(RECORDED | {"driver": "1", "gpu": ["NVIDIA A100, 8.0, 81920 MiB"]})
    assert "\n" not in str(error.value)
    assert not CHANGED_FILE.exists()
    with pytest.raises(NodeError, match=r"for Older, .* this job ran on"):
        check_node({"cpu": host.cpu() | {"name": "Older"}})


def test_upgraded_node_is_asked_again_by_the_next_call(on_l40s):
    files = [Path(f"{name}.json") for name in RECORDED]
    for file in files:
        file.write_text(json.dumps((RECORDED | {"driver": "500.1"})[file.stem]))
    with pytest.raises(
        NodeError, match=r"driver was 500\.1, .* has 595\.58\.03 now; run the same command again"
    ):
        machine_facts([str(file) for file in files])
    assert "driver was 500.1" in CHANGED_FILE.read_text()


@pytest.mark.parametrize(
    ("name", "recorded", "says"),
    [
        ("trtexec", {"version": "10.3.0"}, r"trtexec was version 10\.3\.0, .* has version 10\.16\.0 now"),
        (
            "deepstream",
            {"version": "7.1", "tensorrt": None},
            r"deepstream was version 7\.1, .* has version 9\.1",
        ),
    ],
)
def test_tool_upgraded_under_the_same_driver_is_found_by_the_job(on_l40s, name, recorded, says):
    with pytest.raises(NodeError, match=says):
        check_node(RECORDED | {"runtime": "nvidia", name: recorded})
    assert f"{name} was" in CHANGED_FILE.read_text()


def test_node_is_asked_again_after_a_day_and_for_a_plan_but_not_for_a_dry_run(node):
    fact = "build/toolchain/driver.json"
    yesterday = (node / NODE_FILE).stat().st_mtime - 25 * 3600
    plan = snakemake(node, "upgrade_plan", config=ON_NODE)
    assert "config: facts is node, but the executor is local" in plan.stdout
    os.utime(node / NODE_FILE, (yesterday, yesterday))
    assert "facts is node, but the executor" in snakemake(node, fact, config=ON_NODE).stdout
    assert planned(snakemake(node, "-n", fact, config=ON_NODE).stdout) == {"record_fact": 1}


def profile_with(directory, **asked):
    profile = yaml.safe_load(PROFILE.read_text())
    profile["default-resources"] |= {"slurm_partition": "cpus", "slurm_account": "mine"}
    profile["set-resources"]["record_node"] |= asked
    (directory / "profile.yaml").write_text(yaml.safe_dump(profile))
    _, settings = parse_args(["--workflow-profile", str(directory)])
    return job_resources(settings)


@pytest.mark.parametrize(
    ("asked", "given", "not_given"),
    [
        ({}, ["--gpus=1", "-p cpus", "-A mine", "-t 60"], "--gres"),
        ({"gpu_model": "l40s", "slurm_partition": "gpus"}, ["--gpus=l40s:1", "-p gpus"], "--gres"),
        ({"gpu": 0, "gres": "gpu:l40s:1"}, ["--gres=gpu:l40s:1"], "--gpus"),
    ],
)
def test_job_that_asks_the_node_goes_where_the_profile_sends_gpu_rules(tmp_path, asked, given, not_given):
    call = submit_command(profile_with(tmp_path, **asked), ["say", "it's"])
    assert all(f" {option} " in call for option in given), call
    assert not_given not in call and "--exclusive" not in call
    assert call.endswith(" --wait --wrap='say '\"'\"'it'\"'\"'\"'\"'\"'\"'\"'\"'s'\"'\"''")


def test_profile_names_every_rule_with_a_gpu_and_gives_those_that_measure_their_share():
    with_gpu = {rule.name for rule in declared_rules("nvidia") if rule.needs_gpu}
    asked = yaml.safe_load(PROFILE.read_text())["set-resources"]
    assert set(asked) == with_gpu | {"record_node", "compile_parser"}
    measuring = {name: one for name, one in asked.items() if "enforce-binding" in one.get("slurm_extra", "")}
    assert set(measuring) == with_gpu - {"record_video"}
    assert len({(one["gpu"], one["gres"]) for one in asked.values()}) == 1
    assert {(one["mem_mb"], one["cpus_per_task"]) for one in measuring.values()} == {(32768, 8)}
