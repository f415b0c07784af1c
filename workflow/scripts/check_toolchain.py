"""Write the table of what is installed; stop when something the build cannot do without is missing."""

from pathlib import Path

from dsbench.dag.rule_script import explained
from dsbench.machine.preflight import check_toolchain

with explained(snakemake.log[0]):
    check_toolchain(
        [Path(file) for file in snakemake.input.facts], snakemake.input.video, Path(snakemake.output[0])
    )
