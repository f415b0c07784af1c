"""Measure one engine at one batch with trtexec."""

from pathlib import Path

from dsbench.chain.measured_chain import LEAST_BATCH
from dsbench.core.files import copy_whole
from dsbench.core.records import read_record
from dsbench.dag.rule_script import explained
from dsbench.machine.toolchain import facts_of, read_fact
from dsbench.onnx.inspection import Inspection
from dsbench.tools.doctor import noting_limit
from dsbench.trtexec.command import profile_of
from dsbench.trtexec.measuring_device import measuring_device
from dsbench.trtexec.run import benchmark_engine, trtexec_version

with explained(snakemake.log[0]):
    inspect = read_record(snakemake.input.inspect, Inspection)
    batch = int(snakemake.wildcards.get("batch", 1))
    log = Path(snakemake.log[0])
    engine = Path(snakemake.input.engine[0])
    with (
        measuring_device(snakemake.input.facts, snakemake.log[0], engine) as device,
        noting_limit(log, f"batch {batch}", is_least=batch <= LEAST_BATCH),
    ):
        benchmark_engine(
            program=snakemake.params.program,
            version=trtexec_version(read_fact(snakemake.input.trtexec)),
            engine=engine,
            profile=profile_of(inspect, batch),
            batch=batch,
            duration_s=snakemake.params.duration_s,
            warm_up_ms=snakemake.params.warm_up_ms,
            log=log,
            facts=facts_of(snakemake.input.facts) | device,
        )
    copy_whole(log, snakemake.output.log)
