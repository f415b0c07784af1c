"""Render the report's 12 sections as Markdown."""

from dsbench.report_markdown import render_markdown
from dsbench.rule_script import explained
from dsbench.whole_file import read_json, write_whole

with explained(snakemake.log[0]):
    data = read_json(snakemake.input.data)
    since = read_json(snakemake.input.since)
    write_whole(snakemake.output[0], render_markdown(data, since))
