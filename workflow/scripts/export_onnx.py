"""Export a Hugging Face folder to ONNX in the export environment."""

from pathlib import Path

from dsbench.fetched_source import read_fetched
from dsbench.onnx_export import export_onnx
from dsbench.rule_script import explained
from dsbench.tool_run import report_progress

with explained(snakemake.log[0]):
    folder = read_fetched(Path(snakemake.input.checked)).folder
    report_progress(f"exporting {folder} to ONNX; the output is in {snakemake.log[0]}")
    export_onnx(
        python=Path(snakemake.input.environment).parent / "bin/python",
        source=folder,
        image=Path(snakemake.input.image),
        onnx=Path(snakemake.output.onnx),
        reference=Path(snakemake.output.reference),
        log=Path(snakemake.log[0]),
    )
