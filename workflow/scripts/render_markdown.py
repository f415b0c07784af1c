"""Render the report's 12 sections as Markdown."""

from pathlib import Path

from dsbench.report_data import read_data
from dsbench.report_markdown import render_markdown
from dsbench.rule_script import explained
from dsbench.whole_file import write_whole

with explained(snakemake.log[0]):
    write_whole(snakemake.output[0], render_markdown(read_data(Path(snakemake.input.data))))
