"""Jobs are asked for their files again when a checkpoint directly before them is done, and not while the DAG is made.

Snakemake asks at both times. In a finished tree it would replace every job that takes a checkpoint's file and go
through all jobs a second time. That is a quarter of the time that the DAG of 100 models takes. The input functions here
read what is on disk and never call checkpoints.get(), so the second answer would be the same as the first.
"""

from snakemake.logging import logger
from snakemake_interface_logger_plugins.common import LogEvent

CHECKPOINTS = [checked for checked in workflow.rules if checked.is_checkpoint]
for checked in CHECKPOINTS:
    checked.is_checkpoint = False


def ask_again_after_checkpoints():
    for checked in CHECKPOINTS:
        checked.is_checkpoint = True
    # A checkpoint may need jobs that --until left out. Snakemake then makes them anew, with what is known by that time.
    made, planned = workflow.dag.job_factory.cache, set(workflow.dag.jobs)
    for left_out in [key for key, job in made.items() if job not in planned]:
        del made[left_out]


def tell_of_checkpoints(record):
    """Name the checkpoints below the table of a dry run, as Snakemake does."""
    if getattr(record, "event", None) == LogEvent.RUN_INFO and hasattr(record, "stats"):
        if names := [checked.name for checked in CHECKPOINTS if checked.name in record.stats]:
            record.msg += f"more jobs may follow from what these find out: {', '.join(names)}\n"
    return True


if workflow.output_settings.dryrun and workflow.is_main_process:
    logger.addFilter(tell_of_checkpoints)
