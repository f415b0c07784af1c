"""Write the table of all GPU classes' finished reports."""

from dsbench.class_table import class_table
from dsbench.rule_script import explained
from dsbench.whole_file import write_whole

with explained(snakemake.log[0]):
    write_whole(snakemake.output[0], class_table(list(snakemake.input)))
