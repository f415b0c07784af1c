"""Write one toolchain fact, as it was probed when the DAG was made."""

from dsbench.core.files import write_whole
from dsbench.dag.rule_script import explained

with explained(snakemake.log[0]):
    write_whole(snakemake.output[0], snakemake.params.value + "\n")
