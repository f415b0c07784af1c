"""When jobs are asked for their files again: once a checkpoint directly before them is done, not while the DAG is made.

All input functions here read what is on disk instead of calling checkpoints.get(), so while the DAG is made they would
answer what they answered a moment before. Without the hook at the start checkpoints are Snakemake's own: that is right
too, and makes the DAG of 1,000 models 2.5 times as slowly as a bare workflow's.
"""

from dsbench.dag.snakemake_internals import heed_ancient_files, name_below_table, put_off

# Of clip and truth, which are read before an engine is built and do not make one.
heed_ancient_files()

CHECKPOINTS = [] if CALL.makes_dag and CALL.settings.no_hooks else put_off(workflow)
if CALL.is_dry_run and CALL.makes_dag:
    name_below_table(CHECKPOINTS)
