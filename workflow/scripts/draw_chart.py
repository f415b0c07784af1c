"""Draw one chart of the report."""

from pathlib import Path

from dsbench.core.files import read_json
from dsbench.dag.rule_script import explained
from dsbench.report.charts import draw_chart

with explained(snakemake.log[0]):
    draw_chart(snakemake.wildcards.chart, read_json(snakemake.input.data), Path(snakemake.output[0]))
