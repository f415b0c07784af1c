"""Turn the Markdown report into one HTML file with its charts and the frame of its first page inside."""

from pathlib import Path

from dsbench.core.files import write_whole
from dsbench.dag.rule_script import explained
from dsbench.report.html import render_html

with explained(snakemake.log[0]):
    html = render_html(
        Path(snakemake.input.markdown).read_text(encoding="utf-8"),
        list(map(Path, snakemake.input.charts)),
        Path(snakemake.input.style).read_text(encoding="utf-8"),
        frame=next(map(Path, snakemake.input.frames), None),
        sweep=Path(snakemake.input.sweep) if snakemake.input.sweep else None,
        is_cpu=snakemake.params.is_cpu,
    )
    write_whole(snakemake.output[0], html)
