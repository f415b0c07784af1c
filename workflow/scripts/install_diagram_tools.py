"""Install mermaid-cli with exactly the packages of its lock file."""

from pathlib import Path

from dsbench.dag.rule_script import explained
from dsbench.report.diagram_tools import install_packages

with explained(snakemake.log[0]):
    install_packages(
        Path(snakemake.output[0]).parents[1],
        Path(snakemake.input.manifest),
        Path(snakemake.input.lock),
        Path(snakemake.log[0]),
    )
