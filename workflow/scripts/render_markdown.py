"""Render the report's 12 sections as Markdown."""

from pathlib import Path

from dsbench.report_data import read_data
from dsbench.report_markdown import render_markdown
from dsbench.rule_script import explained

with explained(snakemake.log[0]):
    Path(snakemake.output[0]).write_text(
        render_markdown(read_data(Path(snakemake.input.data))), encoding="utf-8"
    )
