"""One call at a time, whatever became of the one before: killed, out of space, under another clock."""

import shutil

from dsbench.locks import BuildLock
from dsbench.call_options import runs_jobs, settings_of
from dsbench.caller import announce_caller
from dsbench.file_times import bring_back, emptied, short_dumps
from dsbench.left_jobs import cancel_left_jobs
from dsbench.rule_script import TEMPORARY
from dsbench.storage import check_storage

if workflow.is_main_process and "--no-hooks" in sys.argv:
    raise WorkflowError(
        "--no-hooks: the hook at the start keeps a second call out and lets checkpoints add jobs; leave it out"
    )

announce_caller()
RECORDS = Path(".snakemake")
CALL = settings_of(sys.argv[1:]) if workflow.is_main_process else None
RUNS_JOBS = CALL is None or runs_jobs(CALL)
TREES = [Path("models"), Path("build")]

# Snakemake compares times of change as soon as it makes the DAG. A dry run writes nothing.
if workflow.is_main_process and not workflow.output_settings.dryrun:
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
if workflow.is_main_process:
    losses = [(file, f"{file}: is empty") for file in emptied(TREES)]
    for file, loss in (*losses, *short_dumps(TREES[0])):
        print(f"{loss}, so it is made anew", file=sys.stderr)
        if not workflow.output_settings.dryrun:
            file.unlink()


def refuse_facts_of_this_host():
    """Stop a call whose jobs run on other machines than the one that its facts are of."""
    if workflow.non_local_exec and config["facts"] == "here":
        raise WorkflowError(
            "config: facts is here, but the jobs run elsewhere, and their driver and GPU are not this host's;"
            " add facts=node to --config, which replaces the profile's"
        )


# The only one: of several, Snakemake runs the last. The lock stands for its own, which the profiles switch off, since
# that one would stay for ever after a kill.
onstart:
    refuse_facts_of_this_host()
    ask_again_after_checkpoints()
    try:
        BuildLock(RECORDS / "build.lock").hold()
        if workflow.non_local_exec and (left := cancel_left_jobs()):
            print(f"cancelled what a killed call had left in Slurm: {', '.join(left)}")
    except BuildError as error:
        raise WorkflowError(str(error)) from None
    shutil.rmtree(TEMPORARY, ignore_errors=True)
