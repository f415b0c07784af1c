"""The job that asks a GPU node for its facts: submitted like the GPU jobs that Snakemake submits, and waited for."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import IO, cast

from snakemake_executor_plugin_slurm.submit_string import get_submit_command
from snakemake_executor_plugin_slurm.utils import set_gres_string

from dsbench.core.file_times import file_system_time
from dsbench.dag.snakemake_internals import runs_jobs, settings_of
from dsbench.machine.node_facts import CHANGED_FILE, NODE_FILE, NodeFactsError, NodeRecord, read_node
from dsbench.tools.tool_run import report_progress

# Its place in the profile's set-resources.
RULE = "record_node"
LOG = Path("logs/record_node.log")
PLAN = "upgrade_plan"
# An upgrade nobody told of is seen within a day, also where nothing else would run on the node.
FRESH_S = 24 * 3600


class _Resources(dict):
    """Resources by name, read as the executor plugin reads a job's."""

    __getattr__ = dict.__getitem__


def node_before_dag(arguments: Sequence[str], wanted: str, deepstream_dir: str, project: Path) -> NodeRecord:
    """Return what is recorded of the GPU node; where nothing is, a call that runs jobs has a job record it first."""
    node = read_node(wanted, deepstream_dir)
    settings = settings_of(arguments)
    if node is not None and not (runs_jobs(settings) and _is_to_be_asked_again(settings.targets or ())):
        return node
    if settings.executor != "slurm":
        raise NodeFactsError(
            f"config: facts is node, but the executor is {settings.executor or 'local'}; use --workflow-profile"
            " profiles/slurm, or set facts: here"
        )
    if not runs_jobs(settings):
        raise NodeFactsError(
            f"{NODE_FILE}: not there or outdated, so what has to be built is not known yet; the same command without"
            " -n asks the GPU node first, with a job of a few seconds"
        )
    return record_node(settings, wanted, deepstream_dir, project)


def _is_to_be_asked_again(targets: Iterable[str]) -> bool:
    """Return whether the answer may have become wrong: by its age, or since a plan is asked for after upgrades."""
    return PLAN in targets or file_system_time(NODE_FILE.parent) - NODE_FILE.stat().st_mtime > FRESH_S


def record_node(settings, wanted: str, deepstream_dir: str, project: Path) -> NodeRecord:
    """Return what the GPU node says of itself; `settings` are Snakemake's parsed options, the profile's among them."""
    command = [
        *("env", f"PYTHONPATH={(project / 'workflow/scripts').resolve()}", sys.executable),
        *("-m", "dsbench.machine.node_facts", wanted, deepstream_dir, str(project), str(NODE_FILE)),
    ]
    resources = job_resources(settings)
    for file in (NODE_FILE, LOG):
        file.parent.mkdir(parents=True, exist_ok=True)
    call = submit_command(resources, command)
    report_progress(f"asking a GPU node what it is: {call}")
    _submit_and_wait(call)
    CHANGED_FILE.unlink(missing_ok=True)
    node = read_node(wanted, deepstream_dir)
    if node is None:
        raise NodeFactsError(
            f"{NODE_FILE}: the job on the GPU node left none that can be read; its output is in {LOG}"
        )
    report_progress(f"  {NODE_FILE}: recorded on {node.node}")
    return node


def job_resources(settings) -> dict:
    """Return the resources of the job by name: the profile's default-resources, then its set-resources."""
    chosen = dict(settings.default_resources or {}) | dict((settings.set_resources or {}).get(RULE, {}))
    names = {"input": [], "attempt": 1, "threads": 1, "rulename": RULE, "async_run": None}
    return {"gpu": 1} | {name: resource.evaluate(None, **names).value for name, resource in chosen.items()}


def submit_command(resources: dict, command: list[str]) -> str:
    """Return the line that submits `command` as the executor plugin would a job with these resources, and waits."""
    job = SimpleNamespace(resources=_Resources(resources), threads=1)
    placed = {
        "run_uuid": RULE,
        "slurm_logfile": LOG,
        "comment_str": f"rule_{RULE}",
        "account": _option("-A", resources.get("slurm_account")),
        "partition": _option("-p", resources.get("slurm_partition")),
        "workdir": Path.cwd(),
    }
    call = get_submit_command(job, placed) + set_gres_string(job)
    return f"{call} --wait --wrap={shlex.quote(shlex.join(command))}"


def _option(name: str, value) -> str:
    return f"{name} {shlex.quote(str(value))}" if value else ""


def _submit_and_wait(call: str) -> None:
    """Return once the job has ended well; a call interrupted meanwhile takes the job with it."""
    # Where Snakemake itself runs in a job, that job's limits would be this one's; which cluster it is stays.
    is_in_job = "SLURM_JOB_ID" in os.environ
    env = {
        name: value
        for name, value in os.environ.items()
        if not (is_in_job and name.startswith("SLURM_") and name != "SLURM_CONF")
    }
    LOG.unlink(missing_ok=True)
    process = subprocess.Popen(
        call, shell=True, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    number = None
    try:
        number = cast(IO[str], process.stdout).readline().split(";")[0].strip()
        report_progress(f"  waiting for job {number}; `squeue` says what it waits for itself")
        _, said = process.communicate()
    except KeyboardInterrupt:
        if number:
            subprocess.run(["scancel", number], check=False)
        raise
    if process.returncode != 0:
        output = LOG.read_text(errors="replace") if LOG.is_file() else ""
        last = (output.strip() or said.strip()).splitlines()[-1:]
        raise NodeFactsError(
            f"the job that asks the GPU node for its facts ended with exit status {process.returncode}"
            f" ({''.join(last) or 'it said nothing'}); see {LOG} and the profile's set-resources for {RULE}"
        )
