"""Render the report's 12 sections as Markdown."""

from dsbench.core.files import read_json, write_whole
from dsbench.core.records import read_record
from dsbench.dag.rule_script import explained
from dsbench.report.history import Difference
from dsbench.report.markdown import render_markdown

with explained(snakemake.log[0]):
    data = read_json(snakemake.input.data)
    since = read_record(snakemake.input.since, Difference | None, called="difference of two toolchains")
    write_whole(snakemake.output[0], render_markdown(data, since))
