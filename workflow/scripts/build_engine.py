"""Build one dynamic-batch engine with trtexec."""

import json
import shutil
from pathlib import Path

from dsbench.rule_script import explained
from dsbench.toolchain import facts_of
from dsbench.trtexec_command import profile_of
from dsbench.trtexec_run import build_engine, trtexec_version

with explained(snakemake.log[0]):
    inspect = json.loads(Path(snakemake.input.inspect).read_text())
    build_engine(
        program=snakemake.params.program,
        version=trtexec_version(json.loads(Path(snakemake.input.trtexec).read_text())),
        onnx=Path(snakemake.input.onnx),
        engine=Path(snakemake.output.engine),
        timing_cache=Path(snakemake.output.timing_cache),
        seed_cache=Path(snakemake.input.seed_cache) if snakemake.input.seed_cache else None,
        profile=profile_of(inspect, int(snakemake.wildcards.batch)),
        precision=snakemake.params.precision,
        workspace_mib=snakemake.params.workspace_mib,
        log=Path(snakemake.log[0]),
        facts=facts_of(snakemake.input.facts),
    )
    shutil.copy(snakemake.log[0], snakemake.output.log)
