"""Draw the chart of the batch sweep."""

from pathlib import Path

from dsbench.core.records import read_record
from dsbench.dag.rule_script import explained
from dsbench.report.report_records import BenchmarkData
from dsbench.report.sweep_chart import draw_sweep

with explained(snakemake.log[0]):
    data = read_record(snakemake.input.data, BenchmarkData)
    draw_sweep(data, data.sweep, Path(snakemake.output[0]))
