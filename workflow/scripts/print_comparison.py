"""Print the comparison's page as a PDF."""

from pathlib import Path

from dsbench.dag.rule_script import explained
from dsbench.report.pdf import write_pdf

with explained(snakemake.log[0]):
    html = Path(snakemake.input.html).read_text(encoding="utf-8")
    write_pdf(html, Path(snakemake.output[0]), Path(snakemake.log[0]), page_size=snakemake.params.page_size)
