"""Write the scripts that repeat each measured command."""

from pathlib import Path

from dsbench.chain.measured_chain import EngineDecision, RunSummary
from dsbench.core.records import read_record
from dsbench.dag.rule_script import explained
from dsbench.machine.toolchain import read_fact
from dsbench.onnx.inspection import Inspection
from dsbench.report.scripts import ScriptValues, render_scripts, write_scripts
from dsbench.trtexec.command import profile_of
from dsbench.trtexec.passport import Passport, passport_of
from dsbench.trtexec.run import trtexec_version

with explained(snakemake.log[0]):
    measuring = snakemake.params.measuring
    inspect = read_record(snakemake.input.inspect, Inspection)
    decision = read_record(snakemake.input.max_bs, EngineDecision)
    run1, run2 = (read_record(snakemake.input[name], RunSummary) for name in ("run1", "run2"))
    passport = read_record(passport_of(Path(snakemake.input.engine[0])), Passport)
    scripts = render_scripts(
        ScriptValues(
            model=snakemake.wildcards.model,
            trtexec=snakemake.params.programs["trtexec"],
            trtexec_version=trtexec_version(read_fact(snakemake.input.trtexec)),
            deepstream_app=snakemake.params.programs["deepstream_app"],
            profile=profile_of(inspect, decision.max_bs),
            batch_1_engine=snakemake.input.batch_1_engine[0],
            build_flags=passport.flags,
            duration_s=measuring["duration_s"],
            warm_up_ms=measuring["warm_up_ms"],
            interval_s=measuring["interval_s"],
            windows=measuring["windows"],
            run1_config=str(Path(run1.tries[-1].log).with_suffix(".txt")),
            run2_config=str(Path(run2.tries[-1].log).with_suffix(".txt")),
            latency_config=snakemake.input.latency_config,
        )
    )
    write_scripts(scripts, Path(snakemake.output[0]).parent)
