"""Write the comparison as a table for spreadsheets."""

from dsbench.core.files import write_whole
from dsbench.core.records import read_record
from dsbench.dag.rule_script import explained
from dsbench.report.comparison import ModelComparison, comparison_csv

with explained(snakemake.log[0]):
    write_whole(snakemake.output[0], comparison_csv(read_record(snakemake.input[0], ModelComparison)))
