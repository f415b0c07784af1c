"""Build one engine with trtexec, and its passport; where its batch does not fit, note that in the log."""

import shutil
from pathlib import Path

from dsbench.chain.measured_chain import LEAST_BATCH
from dsbench.core.files import copy_whole
from dsbench.core.records import read_record
from dsbench.dag.rule_script import explained
from dsbench.machine.toolchain import facts_of, read_fact
from dsbench.onnx.inspection import Inspection
from dsbench.tools.doctor import noting_limit
from dsbench.trtexec.build_log import read_layers
from dsbench.trtexec.command import precision_for, profile_of, workspace_mib
from dsbench.trtexec.measuring_device import measuring_device
from dsbench.trtexec.passport import machine_facts, make_passport, passport_of, write_passport
from dsbench.trtexec.run import build_engine, trtexec_version

with explained(snakemake.log[0]):
    # Refuses another kind of node before anything is built.
    machine_facts(snakemake.input.facts)
    inspect = read_record(snakemake.input.inspect, Inspection)
    log, engine, made = Path(snakemake.log[0]), Path(snakemake.params.engine), Path(snakemake.output.made)
    batch = int(snakemake.wildcards.batch)
    onnx, timing_cache = Path(snakemake.input.onnx), Path(snakemake.params.timing_cache)
    version = trtexec_version(read_fact(snakemake.input.trtexec))
    params = snakemake.params
    precision = precision_for(version, params.precision, params.strongly_typed, params.tf32)
    profile = profile_of(inspect, batch)
    layer_info = log.with_suffix(".layers.json") if snakemake.params.has_layer_info else None
    made.mkdir(parents=True, exist_ok=True)
    with (
        measuring_device(snakemake.input.facts, str(log)) as device,
        noting_limit(log, f"batch {batch}", is_least=batch <= LEAST_BATCH),
    ):
        build, flags = build_engine(
            program=snakemake.params.program,
            version=version,
            onnx=onnx,
            engine=engine,
            timing_cache=timing_cache,
            seed_cache=Path(snakemake.input.seed_cache[0]) if snakemake.input.seed_cache else None,
            profile=profile,
            precision=precision,
            workspace_mib=workspace_mib(snakemake.params.workspace_mib),
            log=log,
            facts=facts_of(snakemake.input.facts) | device,
            layer_info=layer_info,
        )
        machine = machine_facts(snakemake.input.facts)
        layers = read_layers(layer_info) if layer_info else None
        write_passport(engine, make_passport(engine, onnx, timing_cache, flags, build, layers, machine))
        for file in (engine, passport_of(engine), timing_cache):
            shutil.move(file, made / file.name)
    copy_whole(log, snakemake.output.log)
