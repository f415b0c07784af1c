"""The main job through a real Slurm on this machine: see slurm_cluster.py."""

import json
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from snakemake.cli import parse_args

from dsbench.dag.node_job import LOG, job_resources, submit_command
from slurm_cluster import NODES, NoCluster, ask, cluster, jobs, node_state, wait_until, write_profile
from workflow_run import PROJECT, REPORT, command, environment, snakemake

MEASURED = ("benchmarks", "samples/kitti_output", "reports")
ENGINE = "models/rtdetr/benchmarks/engines/rtdetr_dynamic_b4.engine"
BENCHMARK = "models/rtdetr/benchmarks/b4/trtexec_b4.log"


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """The name of the nodes' host; skips where no Slurm can run."""
    try:
        with cluster(tmp_path_factory.mktemp("slurm") / "state") as host:
            yield host
    except NoCluster as error:
        pytest.skip(f"no Slurm: {error}")


def running(rule):
    return next((number for name, number in jobs("RUNNING").items() if name.startswith(f"rule_{rule}")), None)


def node_of(number):
    return ask("squeue", "--noheader", f"--jobs={number}", "--format=%N").strip()


def test_jobs_that_ask_by_gpu_and_by_gres_get_a_device_each(slurm, tmp_path, monkeypatch):
    submitted = []
    for name, asked in (("gpu", {}), ("gres", {"gpu": 0, "gres": "gpu:1"})):
        (tmp_path / name / LOG.parent).mkdir(parents=True)
        monkeypatch.chdir(tmp_path / name)
        _, settings = parse_args(["--workflow-profile", str(write_profile(tmp_path / name, **asked))])
        call = submit_command(
            job_resources(settings),
            ["sh", "-c", "sleep 3; echo device $CUDA_VISIBLE_DEVICES of $SLURMD_NODENAME"],
        )
        submitted.append(subprocess.Popen(call, shell=True))
    assert [process.wait(timeout=120) for process in submitted] == [0, 0]
    said = {(tmp_path / name / LOG).read_text() for name in ("gpu", "gres")}
    assert said == {f"device 0 of {node}\n" for node in NODES}


def test_the_shipped_profile_starts_without_cores_and_so_does_a_plan(slurm, tmp_path):
    profile = ("--workflow-profile", str(write_profile(tmp_path)))
    done = snakemake(tmp_path, "build/toolchain/video.json", *profile)
    assert done.returncode == 0, done.stdout[-4000:]
    assert (
        "asking a GPU node what it is" in done.stdout and (tmp_path / "build/toolchain/video.json").is_file()
    )
    plan = snakemake(tmp_path, "upgrade_plan", *profile)
    assert plan.returncode == 0 and "  build_engine rtdetr batch=" in plan.stdout, plan.stdout[-4000:]


def test_a_share_of_the_models_is_a_job_that_submits_its_own(slurm, tmp_path):
    done = snakemake(tmp_path, "shards", config="shards: 2\nmodels: {a: {source: demo/checkpoint}}\n")
    assert done.returncode == 0, done.stdout[-3000:]
    profile = ("--workflow-profile", str(write_profile(tmp_path)))
    share = tmp_path / "shards/1"
    ask("sbatch", "--wait", str(share / "run.sh"), *profile, "build/toolchain/video.json", timeout_s=300)
    (said,) = share.glob("snakemake-*.log")
    assert (share / "build/toolchain/video.json").is_file(), said.read_text()[-3000:]
    assert (share / "build/toolchain/node.json").is_file()


def test_what_slurm_refuses_is_said_before_anything_is_planned(slurm, tmp_path):
    profile = write_profile(tmp_path, slurm_partition="nowhere")
    done = snakemake(tmp_path, "build/toolchain/preflight.md", "--workflow-profile", str(profile))
    assert done.returncode != 0
    assert "for its facts ended with exit status 1 (sbatch: error: " in done.stdout, done.stdout
    assert "logs/record_node.log and the profile's set-resources for record_node" in done.stdout


def test_main_job_goes_on_through_a_preempted_and_a_cancelled_job_and_a_drained_node(slurm, tree, tmp_path):
    for part in MEASURED:
        shutil.rmtree(tree / "models/rtdetr" / part)
    call = (tree, REPORT, "--workflow-profile", str(write_profile(tmp_path)))
    with ThreadPoolExecutor() as pool:
        first = pool.submit(snakemake, *call)
        build = wait_until(lambda: running("build_engine"), 300, "build_engine has not started")
        # What a preemption does.
        ask("scontrol", "requeue", build)
        wait_until(lambda: build in jobs("PENDING").values(), 60, "the preempted job does not wait")
        wait_until(lambda: running("build_engine") == build, 120, "the preempted job does not run again")
        drained = node_of(build)
        for node in NODES:
            ask("scontrol", "update", f"nodename={node}", "state=drain", "reason=test")
        wait_until(
            lambda: node_state(drained) == "drained",
            300,
            "the running job has not ended on the draining node",
        )
        wait_until(lambda: jobs("PENDING"), 300, "nothing waits for the drained nodes")
        assert not jobs("RUNNING") and not first.done()
        (other,) = set(NODES) - {drained}
        ask("scontrol", "update", f"nodename={other}", "state=resume")
        benchmark = wait_until(
            lambda: running("benchmark_engine"), 300, "no benchmark after a node came back"
        )
        assert node_of(benchmark) == other
        ask("scontrol", "update", f"nodename={drained}", "state=resume")
        ask("scancel", benchmark)
    stopped = first.result(timeout=300)
    assert stopped.returncode != 0 and "asking a GPU node what it is" in stopped.stdout
    assert (tree / ENGINE).exists() and not (tree / BENCHMARK).exists()

    done = snakemake(*call)
    assert done.returncode == 0, done.stdout[-6000:]
    assert "asking a GPU node" not in done.stdout
    data = json.loads((tree / "models/rtdetr/reports/benchmark_data.json").read_text())
    assert data["deepstream"]["run2"]["total_fps"] > 0
    node = json.loads((tree / "build/toolchain/node.json").read_text())
    assert node["node"] == slurm and int(node["slurm_job"]) > 0
    assert "Nothing to be done" in snakemake(*call, "-n").stdout


def test_killed_call_and_upgraded_node_the_same_command_goes_on(slurm, tree, tmp_path):
    env = {"PATH": f"{PROJECT / 'tests/fakes'}:{os.environ['PATH']}"}
    call = (tree, ENGINE, "--workflow-profile", str(write_profile(tmp_path)))
    config = "runtime: nvidia\nfirst_batch: {nvidia: 4}\n"
    killed = subprocess.Popen(command(*call, config=config), env=environment(env), stdout=subprocess.DEVNULL)
    left = wait_until(lambda: running("build_engine"), 120, "build_engine has not started")
    killed.kill()
    killed.wait()
    built = snakemake(*call, env=env, config=config)
    assert built.returncode == 0, built.stdout[-4000:]
    assert f"cancelled what a killed call had left in Slurm: {left}\n" in built.stdout
    (tree / ENGINE).unlink()
    env["FAKE_DRIVER"] = "600.10"
    assert snakemake(*call, env=env, config=config).returncode != 0
    said = (tree / "logs/rtdetr/build_engine_b4.log").read_text()
    assert f"driver was 595.58.03, {slurm} has 600.10 now; run the same command again" in said
    again = snakemake(*call, env=env, config=config)
    assert again.returncode == 0, again.stdout[-4000:]
    assert json.loads((tree / f"{ENGINE}.json").read_text())["machine"]["driver"] == "600.10"
