"""Create an environment apart from the workflow's own from its lock file."""

from pathlib import Path

from dsbench.dag.rule_script import explained
from dsbench.onnx.export_environment import make_environment

with explained(snakemake.log[0]):
    directory, params = Path(snakemake.output[0]).parent, snakemake.params
    shared = Path(params.shared) if params.shared else None
    make_environment(directory, Path(params.lock), Path(snakemake.log[0]), shared)
