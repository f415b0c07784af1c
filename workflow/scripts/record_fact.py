"""Write one toolchain fact, as it was probed when the DAG was made."""

from pathlib import Path

from dsbench.rule_script import explained

with explained(snakemake.log[0]):
    Path(snakemake.output[0]).write_text(snakemake.params.value + "\n")
