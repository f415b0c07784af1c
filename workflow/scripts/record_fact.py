"""Write one toolchain fact, as it was probed when the DAG was made."""

from dsbench.rule_script import explained
from dsbench.whole_file import write_whole

with explained(snakemake.log[0]):
    write_whole(snakemake.output[0], snakemake.params.value + "\n")
