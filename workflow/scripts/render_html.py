"""Turn the Markdown report into one HTML file with its charts inside."""

from pathlib import Path

from dsbench.core.files import write_whole
from dsbench.dag.rule_script import explained
from dsbench.report.html import render_html

with explained(snakemake.log[0]):
    html = render_html(
        Path(snakemake.input.markdown).read_text(encoding="utf-8"),
        Path(snakemake.input.charts[0]).parent,
        Path(snakemake.input.style).read_text(encoding="utf-8"),
    )
    write_whole(snakemake.output[0], html)
