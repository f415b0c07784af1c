"""Turn the comparison into one HTML page with its chart inside."""

from pathlib import Path

from dsbench.core.files import write_whole
from dsbench.core.records import read_record
from dsbench.dag.rule_script import explained
from dsbench.report.comparison import ModelComparison
from dsbench.report.comparison_page import render_comparison

with explained(snakemake.log[0]):
    comparison = read_record(snakemake.input.data, ModelComparison)
    write_whole(snakemake.output[0], render_comparison(comparison, Path(snakemake.input.chart)))
