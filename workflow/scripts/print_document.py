"""Print a document as a PDF, with its Mermaid diagrams drawn."""

from functools import partial
from pathlib import Path

from dsbench.dag.rule_script import explained
from dsbench.report.diagram_tools import Tools
from dsbench.report.documents import draw_diagram, render_document
from dsbench.report.pdf import write_pdf

with explained(snakemake.log[0], snakemake.resources.mem_mb):
    files, log = snakemake.input, Path(snakemake.log[0])

    tools = Tools.found(Path(files.tools).parent, Path(files.settings[0]).parent) if files.tools else None
    html = render_document(
        Path(files.document),
        Path(files.style).read_text(encoding="utf-8"),
        partial(draw_diagram, tools=tools, log=log),
    )
    write_pdf(html, Path(snakemake.output[0]), log, page_size=snakemake.params.page_size)
