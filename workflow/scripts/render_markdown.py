"""Render the report's 12 sections as Markdown."""

from dsbench.core.files import write_whole
from dsbench.core.records import read_record
from dsbench.dag.rule_script import explained
from dsbench.report.history import Difference
from dsbench.report.markdown import render_markdown
from dsbench.report.report_records import BenchmarkData

with explained(snakemake.log[0]):
    data = read_record(snakemake.input.data, BenchmarkData)
    since = read_record(snakemake.input.since, Difference | None, called="difference of two toolchains")
    write_whole(snakemake.output[0], render_markdown(data, since))
