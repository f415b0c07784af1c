"""Draw the charts of the report."""

from pathlib import Path

from dsbench.core.records import read_record
from dsbench.dag.rule_script import explained
from dsbench.report.charts import draw_chart
from dsbench.report.report_records import BenchmarkData

with explained(snakemake.log[0]):
    data = read_record(snakemake.input.data, BenchmarkData)
    for chart in map(Path, snakemake.output):
        draw_chart(chart.stem, data, chart)
