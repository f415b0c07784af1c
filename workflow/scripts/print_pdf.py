"""Print the HTML report as a PDF, under its own name and under one that names the model."""

from pathlib import Path

from dsbench.report_pdf import write_pdf
from dsbench.rule_script import explained
from dsbench.tool_run import report_progress
from dsbench.whole_file import copy_whole

with explained(snakemake.log[0]):
    html = Path(snakemake.input.html).read_text(encoding="utf-8")
    pages = write_pdf(html, Path(snakemake.output.pdf), Path(snakemake.log[0]))
    copy_whole(snakemake.output.pdf, snakemake.output.named)
    report_progress(f"{snakemake.output.pdf}: {pages} pages")
