"""Measure one engine at one batch with trtexec."""

import json
from pathlib import Path

from dsbench.engine_passport import check_passport, machine_facts
from dsbench.measuring_device import measuring_device
from dsbench.rule_script import explained
from dsbench.toolchain import facts_of
from dsbench.trtexec_command import profile_of
from dsbench.trtexec_run import benchmark_engine, trtexec_version
from dsbench.whole_file import copy_whole

with explained(snakemake.log[0]):
    inspect = json.loads(Path(snakemake.input.inspect).read_text())
    batch = int(snakemake.wildcards.get("batch", 1))
    # Batch 1 is measured on the engine of MAX_BS, unless an engine has its batch in itself.
    engine = snakemake.input.get("engine") or json.loads(Path(snakemake.input.max_bs).read_text())["engine"]
    with measuring_device(snakemake.input.facts, snakemake.log[0], Path(engine)) as device:
        check_passport(Path(engine), machine_facts(snakemake.input.facts))
        benchmark_engine(
            program=snakemake.params.program,
            version=trtexec_version(json.loads(Path(snakemake.input.trtexec).read_text())),
            engine=Path(engine),
            profile=profile_of(inspect, batch),
            batch=batch,
            duration_s=snakemake.params.duration_s,
            warm_up_ms=snakemake.params.warm_up_ms,
            log=Path(snakemake.log[0]),
            facts=facts_of(snakemake.input.facts) | device,
        )
    copy_whole(snakemake.log[0], snakemake.output.log)
