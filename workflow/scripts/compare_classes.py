"""Write the table of the finished reports of all GPU classes, or of all shards."""

from pathlib import Path

from dsbench.class_table import class_table
from dsbench.rule_script import explained
from dsbench.whole_file import write_whole

with explained(snakemake.log[0]):
    directory = Path(snakemake.output[0]).parent
    write_whole(snakemake.output[0], class_table(list(snakemake.input), directory))
