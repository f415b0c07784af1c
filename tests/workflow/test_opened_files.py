"""Every file that a job reads or writes is an input or an output of its rule: the main job, traced."""

import re
from collections import defaultdict
from copy import deepcopy
from pathlib import Path

import pytest

from workflow_run import PROJECT

# A call that another process's line interrupts ends on a line of its own.
OPENED = re.compile(r"^(?:<\.\.\. )?(?:open|openat|openat2|creat)\b.* = \d+<(/.*?)>(?:\(deleted\))?$")
STARTED = re.compile(r"^(?:<\.\.\. )?(?:clone3?|v?fork)\b.* = (\d+)$")
SCRIPT = re.compile(r'^execve\(.*"[^"]*\.snakemake/scripts/(\w+)\.(\w+)\.py"')
ENDED = "+++ "
# Programs, no data: packages.txt, which is an input, says what is in there.
PROGRAMS = "build/.venv_optimum/"
WEIGHTS = PROJECT / "demo/checkpoint/model.safetensors"


@pytest.fixture(scope="module")
def opened(finished, trace):
    """Each rule script's name with the files that its process and those it started opened."""
    if trace is None:
        pytest.skip("strace, which `make test` installs, is not here or may not trace")
    return opened_by_scripts(trace)


@pytest.fixture
def jobs(main_jobs):
    """The main job's jobs that have a script, by their logs."""
    return {row["log"]: deepcopy(row) for row in main_jobs if row["log"] and row["script"]}


def test_jobs_open_only_what_their_rules_name(finished, opened, jobs):
    assert undeclared(jobs, opened, finished) == []
    report = jobs["logs/rtdetr/collect_data.log"]
    left_out = "models/rtdetr/config/labels.txt"
    report["input"].remove(left_out)
    assert undeclared(jobs, opened, finished) == [("collect_data", left_out)]


def test_weights_are_opened_to_be_listed_compared_with_that_checked_and_exported(opened):
    readers = [script for script, paths in opened if str(WEIGHTS) in paths]
    assert sorted(readers) == ["copy_config", "export_onnx", "fetch_source", "list_source"]


def opened_by_scripts(trace):
    """Return each rule script's name with the files that its process and those it started opened."""
    jobs, job_of, early, alive, ended = {}, {}, defaultdict(set), set(), set()
    for line in trace.read_text(errors="replace").splitlines():
        # Numbers are given again once a process has ended; a child may open files before its start is told.
        number, call = line.split(maxsplit=1)
        if found := OPENED.match(call):
            (job_of[number][1] if number in job_of else early[number]).add(found[1])
        elif found := SCRIPT.match(call):
            # A copy of the script for each job; a shell may start it.
            job_of[number] = jobs.setdefault(found[1], (found[2], set()))
        elif found := STARTED.match(call):
            child, paths = found[1], early.pop(found[1], set())
            if number in job_of and child not in job_of:
                job_of[number][1].update(paths)
                if child not in ended:
                    job_of[child] = job_of[number]
            (ended.remove if child in ended else alive.add)(child)
        elif call.startswith(ENDED):
            job_of.pop(number, None)
            (alive.remove if number in alive else ended.add)(number)
    return list(jobs.values())


def undeclared(jobs, opened, tree):
    """Return the rules with what their jobs opened below models/ and build/ and do not name; each job was traced."""
    found, seen = set(), set()
    for script, paths in opened:
        files = {path.removeprefix(f"{tree}/") for path in paths}
        (job,) = (jobs[file] for file in files & jobs.keys() if jobs[file]["script"] == script)
        seen.add(job["log"])
        found |= {(job["rule"], file) for file in files if is_data(file) and not is_of(job, file, tree)}
    assert seen == set(jobs)
    return sorted(found)


def is_data(file):
    """Tell whether a rule has to name a file: those in logs/ are read for wall times, and none is made for them."""
    return file.startswith(("models/", "build/")) and not file.startswith(PROGRAMS)


def is_of(job, file, tree):
    """Tell whether an opened file or folder is the job's: named, in or around what is, or gone and beside an output.

    A parameter too names a file: trtexec writes an engine where another job puts it once it is whole.
    """
    named = {*job["input"], *job["output"], *(value.strip("'") for value in job["params"].values())}
    above = set(map(str, Path(file).parents))
    if named & {file, *above}:
        return True
    if (tree / file).is_dir():
        return any(each.startswith(f"{file}/") for each in named)
    return not (tree / file).exists() and any(str(Path(each).parent) in above for each in job["output"])
