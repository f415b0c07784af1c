"""Draw the charts of the report."""

from pathlib import Path

from dsbench.core.files import read_json
from dsbench.dag.rule_script import explained
from dsbench.report.charts import draw_chart

with explained(snakemake.log[0]):
    data = read_json(snakemake.input.data)
    for chart in map(Path, snakemake.output):
        draw_chart(chart.stem, data, chart)
