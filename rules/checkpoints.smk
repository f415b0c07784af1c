"""When jobs are asked for their files again: once a checkpoint before them is done, not while the DAG is made.

Snakemake does both. In a finished tree it would replace every job behind a checkpoint, then go through all jobs a second
time: a quarter of what the DAG of 100 models takes. All input functions here read what is on disk instead of calling
checkpoints.get(), so they would answer what they answered a moment before.
"""

CHECKPOINTS = [checked for checked in workflow.rules if checked.is_checkpoint]
for checked in CHECKPOINTS:
    checked.is_checkpoint = False


def ask_again_after_checkpoints():
    for checked in CHECKPOINTS:
        checked.is_checkpoint = True


# What Snakemake says of checkpoints in a dry run, which has no onstart.
if workflow.output_settings.dryrun and workflow.is_main_process:
    unmeasured = [model for model in named_models(sys.argv[1:]) or config["models"] if not is_measured(model)]
    if unmeasured:
        print(
            f"{len(unmeasured)} of the models asked for are not measured yet: batches and runs of streams that follow"
            " from the first numbers are not among the jobs shown",
            file=sys.stderr,
        )
