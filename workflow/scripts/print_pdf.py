"""Print the HTML report as a PDF, under its own name and under one that names the model."""

from pathlib import Path

from dsbench.core.files import copy_whole
from dsbench.dag.rule_script import explained
from dsbench.report.pdf import write_pdf

with explained(snakemake.log[0]):
    html = Path(snakemake.input.html).read_text(encoding="utf-8")
    write_pdf(html, Path(snakemake.output.pdf), Path(snakemake.log[0]), page_size=snakemake.params.page_size)
    copy_whole(snakemake.output.pdf, snakemake.output.named)
