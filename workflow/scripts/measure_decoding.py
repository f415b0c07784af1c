"""Measure how many streams of the clip the decoders alone allow."""

from pathlib import Path

from dsbench.core.records import read_record, write_record
from dsbench.dag.rule_script import explained
from dsbench.deepstream.decoding import measure_decoding
from dsbench.machine.clip import ClipFacts, TargetRate
from dsbench.machine.toolchain import facts_of
from dsbench.trtexec.measuring_device import measuring_device

with explained(snakemake.log[0]):
    files, log = snakemake.input, Path(snakemake.log[0])
    with measuring_device(files.facts, snakemake.log[0]) as device:
        decoding = measure_decoding(
            snakemake.params.program,
            read_record(files.clip, ClipFacts),
            read_record(files.target_fps, TargetRate).target_fps,
            snakemake.params.seconds,
            Path(snakemake.output[0]),
            log,
            facts_of(files.facts) | device,
        )
    write_record(snakemake.output[0], decoding)
