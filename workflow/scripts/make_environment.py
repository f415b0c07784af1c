"""Create an environment apart from the workflow's own from its lock file."""

from pathlib import Path

from dsbench.dag.rule_script import explained
from dsbench.onnx.export_environment import make_environment
from dsbench.tools.tool_run import report_progress

with explained(snakemake.log[0]):
    directory, params = Path(snakemake.output[0]).parent, snakemake.params
    report_progress(f"creating {directory} from {params.lock}; pip's output is in {snakemake.log[0]}")
    shared = Path(params.shared) if params.shared else None
    make_environment(directory, Path(params.lock), Path(snakemake.log[0]), shared)
