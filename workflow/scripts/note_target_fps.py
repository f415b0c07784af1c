"""Note what a stream must get: what the configuration says, else what the clip needs."""

from dsbench.core.records import read_record, write_record
from dsbench.dag.rule_script import explained
from dsbench.machine.clip import ClipFacts, TargetRate

with explained(snakemake.log[0]):
    named = snakemake.params.target_fps
    if named is None:
        noted = TargetRate(read_record(snakemake.input.clip, ClipFacts).fps, "clip")
    else:
        noted = TargetRate(named, "config")
    write_record(snakemake.output[0], noted)
