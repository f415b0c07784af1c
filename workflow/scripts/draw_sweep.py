"""Draw the chart of the batch sweep."""

from pathlib import Path

from dsbench.core.files import read_json
from dsbench.dag.rule_script import explained
from dsbench.report.sweep_chart import draw_sweep

with explained(snakemake.log[0]):
    draw_sweep(read_json(snakemake.input.data), Path(snakemake.output[0]))
