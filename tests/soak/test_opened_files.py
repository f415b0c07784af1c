"""Every file that a job reads or writes is an input, an output or a log of its rule: the main job under strace."""

import re
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest
import yaml

from dsbench.dag_jobs import dag_jobs
from workflow_run import PROJECT, REPORT, command, environment

CALL = re.compile(r'^(openat|execve|clone3?|v?fork)\((?:AT_FDCWD, )?(?:"([^"]*)")?.*?(?:= (-?\d+))')
SCRIPT = re.compile(r"\.snakemake/scripts/\w+\.(\w+)\.py")
# What happened is no input: a report without a lost wall time says that it is not known.
RECORDS = ("logs/", ".snakemake/", "build/.venv_optimum/")


@pytest.fixture
def traced(tree, tmp_path):
    """The tree with all that follows the export done again, and a folder with one trace for each process."""
    if shutil.which("strace") is None:
        pytest.skip("strace, which envs/install_system_packages.sh installs, is not here")
    traces = tmp_path / "traces"
    traces.mkdir()
    calls = "trace=openat,execve,clone,clone3,fork,vfork"
    done = subprocess.run(
        [
            *("strace", "-ff", "--seccomp-bpf", "-qq", "-e", calls, "-o", str(traces / "of")),
            *command(tree, REPORT, "-R", "prepare_onnx", "inspect_video", "list_source"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment({}),
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return tree, traces


def opened_by_script(traces):
    """Return the paths opened by each script's process and the processes that it started."""
    opened, script_of, parent_of = defaultdict(set), {}, {}
    for trace in traces.iterdir():
        number = int(trace.suffix[1:])
        for line in trace.read_text(errors="replace").splitlines():
            if SCRIPT.search(line) and line.startswith("execve"):
                script_of[number] = SCRIPT.search(line)[1]
            call = CALL.match(line)
            if call is None or int(call[3]) < 0:
                continue
            if call[1] == "openat":
                opened[number].add(call[2])
            elif call[1] != "execve":
                parent_of[int(call[3])] = number
    found = defaultdict(set)
    for number, paths in opened.items():
        ancestor = number
        while ancestor is not None and ancestor not in script_of:
            ancestor = parent_of.get(ancestor)
        if ancestor is not None:
            found[script_of[ancestor]] |= paths
    return found


def test_jobs_open_only_what_their_rules_name(traced):
    tree, traces = traced
    config = yaml.safe_load((PROJECT / "config/config.yaml").read_text())
    jobs = dag_jobs(PROJECT / "Snakefile", tree, config, ["all"], env=environment({}))
    named = defaultdict(set)
    for job in jobs:
        named[job["script"]] |= {str(tree / file) for file in (*job["input"], *job["output"])}
    undeclared = set()
    opened = opened_by_script(traces)
    assert {"build_engine", "dump_kitti", "collect_data", "judge_agreement"} <= set(opened)
    for script, paths in opened.items():
        for path in paths:
            file = Path(path if path.startswith("/") else tree / path)
            if not file.is_relative_to(tree) or not path_matters(file.relative_to(tree).as_posix()):
                continue
            if not any(file == Path(each) or file.is_relative_to(each) for each in named[script]):
                undeclared.add((script, file.relative_to(tree).as_posix()))
    assert sorted(undeclared) == []


def path_matters(path):
    return path.startswith(("models/", "build/")) and not path.startswith(RECORDS)
