"""Draw the compared models by speed and accuracy."""

from pathlib import Path

from dsbench.core.records import read_record
from dsbench.dag.rule_script import explained
from dsbench.report.comparison import ModelComparison
from dsbench.report.comparison_chart import draw_comparison

with explained(snakemake.log[0]):
    draw_comparison(read_record(snakemake.input[0], ModelComparison), Path(snakemake.output[0]))
