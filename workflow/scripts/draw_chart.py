"""Draw one chart of the report."""

from pathlib import Path

from dsbench.charts import draw_chart
from dsbench.rule_script import explained
from dsbench.whole_file import read_json

with explained(snakemake.log[0]):
    draw_chart(snakemake.wildcards.chart, read_json(snakemake.input.data), Path(snakemake.output[0]))
