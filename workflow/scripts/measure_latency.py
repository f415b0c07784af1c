"""Measure the latency of each frame with deepstream-app, at the load of the run that decides."""

from pathlib import Path

from dsbench.chain.measured_chain import streams_of
from dsbench.core.files import copy_whole
from dsbench.dag.rule_script import explained
from dsbench.deepstream.latency import frames_of, measure_latency, noting_refusal
from dsbench.deepstream.log import read_run
from dsbench.machine.toolchain import facts_of
from dsbench.trtexec.measuring_device import measuring_device

with explained(snakemake.log[0]):
    engine = Path(snakemake.input.engine[0])
    app_config = Path(snakemake.input.app_config)
    streams = streams_of(app_config)
    rates = read_run(app_config.with_suffix(".log"), streams, snakemake.params.windows)
    frames = frames_of(rates.total_fps, snakemake.params.windows * snakemake.params.interval_s)
    with (
        measuring_device(snakemake.input.facts, snakemake.log[0], engine) as device,
        noting_refusal(Path(snakemake.log[0])),
    ):
        measure_latency(
            snakemake.params.program,
            app_config,
            streams,
            frames,
            rates.total_fps,
            snakemake.params.timeout_s,
            Path(snakemake.log[0]),
            facts_of(snakemake.input.facts) | device,
        )
    copy_whole(snakemake.log[0], snakemake.output.log)
