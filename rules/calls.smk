"""One call at a time, whatever became of the one before: killed, out of space, under another clock."""

import shutil
from functools import partial

from dsbench.boxes.kitti import short_dumps
from dsbench.core.errors import check_storage
from dsbench.core.file_times import bring_back, emptied
from dsbench.core.locks import BuildLock
from dsbench.dag.left_jobs import cancel_left_jobs
from dsbench.dag.names import asked_models
from dsbench.dag.rule_script import TEMPORARY
from dsbench.dag.snakemake_internals import plan_left_out_jobs_anew, planned_wall_times, take_up, tell_through
from dsbench.dag.terminal import StepLines
from dsbench.tools.tool_run import announce_caller

announce_caller()
RECORDS = Path(".snakemake")
TREES = [Path("models"), Path("build")]

# Snakemake compares times of change as soon as it makes the DAG. A dry run writes nothing.
if CALL.makes_dag and not CALL.is_dry_run:
    try:
        trees = [Path("models"), Path("logs"), Path("build")]
        check_storage(
            [Path.cwd(), *trees, *(tree / model for tree in trees[:2] for model in config["models"])]
        )
    except BuildError as error:
        raise WorkflowError(str(error)) from None
    RECORDS.mkdir(exist_ok=True)
    files, ahead_s = bring_back(TREES, RECORDS)
    if files:
        print(
            f"the clock was set back: {files} files were up to {ahead_s:.0f} s ahead of it and got its time",
            file=sys.stderr,
        )

# Snakemake takes a file that is there for a whole one, and a folder too.
if CALL.makes_dag:
    losses = [(file, f"{file}: is empty") for file in emptied(TREES)]
    asked = asked_models(sys.argv[1:], CALL.settings.targets, config["models"])
    for file, loss in (*losses, *short_dumps(TREES[0] / name for name in asked)):
        print(f"{loss}, so it is made anew", file=sys.stderr)
        if not CALL.is_dry_run:
            file.unlink()


def refuse_facts_of_this_host():
    """Stop a call whose jobs run on other machines than the one that its facts are of."""
    if CALL.submits and config["facts"] == "here":
        raise WorkflowError(
            "config: facts is here, but the jobs run elsewhere, and their driver and GPU are not this host's;"
            " add facts=node to --config, which replaces the profile's"
        )


def begin_alone():
    """Keep other calls out of this directory, and end what a killed one left running.

    The profiles switch Snakemake's own lock off, because it stays for ever after a kill. This lock takes its place.
    """
    refuse_facts_of_this_host()
    try:
        BuildLock(RECORDS / "build.lock").hold()
        if CALL.submits and (left := cancel_left_jobs()):
            print(f"cancelled what a killed call had left in Slurm: {', '.join(left)}")
    except BuildError as error:
        raise WorkflowError(str(error)) from None
    shutil.rmtree(TEMPORARY, ignore_errors=True)


STEP_LINES = tell_through(CALL.settings, partial(StepLines, submits=CALL.submits)) if CALL.makes_dag else None


# The only hook of its kind: of several, Snakemake runs the last.
onstart:
    begin_alone()
    take_up(CHECKPOINTS)
    plan_left_out_jobs_anew(workflow)
    if STEP_LINES:
        STEP_LINES.tell_plan(planned_wall_times(workflow))


onsuccess:
    if STEP_LINES:
        STEP_LINES.tell_reports()


# What was measured stands, whatever failed beside it or after it.
onerror:
    if STEP_LINES:
        STEP_LINES.tell_reports()


# Without the hook other calls are kept out from here on, before the DAG is made.
if CALL.makes_dag and CALL.settings.no_hooks and (CALL.runs_jobs or CALL.settings.touch):
    if CALL.settings.until or CALL.settings.omit_from:
        raise WorkflowError(
            "--no-hooks: with --until or --omit-from, jobs that follow from a fetched source would get none of its"
            " files, since the hook at the start plans them anew; leave --no-hooks out"
        )
    begin_alone()
