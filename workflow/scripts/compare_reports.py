"""Write the table of the finished reports of all GPU classes, or of all shards."""

from pathlib import Path

from dsbench.core.files import write_whole
from dsbench.dag.rule_script import explained
from dsbench.report.comparison import class_table

with explained(snakemake.log[0]):
    directory = Path(snakemake.output[0]).parent
    write_whole(snakemake.output[0], class_table(list(snakemake.input), directory))
