"""Measure N looping streams with deepstream-app."""

from pathlib import Path

from dsbench.core.files import copy_whole
from dsbench.dag.rule_script import explained
from dsbench.deepstream.run import measure_streams
from dsbench.machine.toolchain import facts_of
from dsbench.tools.doctor import noting_limit
from dsbench.trtexec.measuring_device import measuring_device

with explained(snakemake.log[0]):
    engine = Path(snakemake.input.engine[0])
    streams = int(snakemake.wildcards.streams)
    with (
        measuring_device(snakemake.input.facts, snakemake.log[0], engine) as device,
        noting_limit(Path(snakemake.log[0]), f"{streams} streams", is_least=streams == 1),
    ):
        measure_streams(
            snakemake.params.program,
            Path(snakemake.input.app_config),
            streams,
            snakemake.params.interval_s,
            snakemake.params.windows,
            snakemake.params.timeout_s,
            Path(snakemake.log[0]),
            facts_of(snakemake.input.facts) | device,
        )
    copy_whole(snakemake.log[0], snakemake.output.log)
