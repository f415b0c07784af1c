"""When jobs are asked for their files again: once a checkpoint directly before them is done, not while the DAG is made.

Snakemake does both. In a finished tree it would replace every job that takes a checkpoint's file, then go through all
jobs a second time: a quarter of what the DAG of 100 models takes. All input functions here read what is on disk instead
of calling checkpoints.get(), so they would answer what they answered a moment before.
"""

from snakemake.logging import logger
from snakemake_interface_logger_plugins.common import LogEvent

CHECKPOINTS = [checked for checked in workflow.rules if checked.is_checkpoint]
for checked in CHECKPOINTS:
    checked.is_checkpoint = False


def ask_again_after_checkpoints():
    for checked in CHECKPOINTS:
        checked.is_checkpoint = True
    # Jobs that --until left out may be needed after all, and then with what is known by that time.
    made, planned = workflow.dag.job_factory.cache, set(workflow.dag.jobs)
    for left_out in [key for key, job in made.items() if job not in planned]:
        del made[left_out]


def tell_of_checkpoints(record):
    """Say below a dry run's table what Snakemake says of checkpoints."""
    if getattr(record, "event", None) == LogEvent.RUN_INFO and hasattr(record, "stats"):
        if names := [checked.name for checked in CHECKPOINTS if checked.name in record.stats]:
            record.msg += f"more jobs may follow from what these find out: {', '.join(names)}\n"
    return True


if workflow.output_settings.dryrun and workflow.is_main_process:
    logger.addFilter(tell_of_checkpoints)
