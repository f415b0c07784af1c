"""Write the table of all GPU classes' finished reports."""

from pathlib import Path

from dsbench.class_table import class_table
from dsbench.rule_script import explained

with explained(snakemake.log[0]):
    Path(snakemake.output[0]).write_text(class_table(list(snakemake.input)))
