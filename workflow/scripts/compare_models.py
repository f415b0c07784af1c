"""Compare the finished reports of all models, here and in the other trees of the config."""

from dsbench.core.records import write_record
from dsbench.dag.rule_script import explained
from dsbench.report.comparison import compare_models

with explained(snakemake.log[0]):
    found = compare_models(list(snakemake.input), snakemake.params.cameras, snakemake.params.fps)
    write_record(snakemake.output[0], found)
