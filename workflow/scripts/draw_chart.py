"""Draw one chart of the report."""

from pathlib import Path

from dsbench.charts import draw_chart
from dsbench.report_data import read_data
from dsbench.rule_script import explained

with explained(snakemake.log[0]):
    draw_chart(snakemake.wildcards.chart, read_data(Path(snakemake.input.data)), Path(snakemake.output[0]))
