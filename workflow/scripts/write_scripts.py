"""Write the scripts that repeat each measured command."""

from pathlib import Path

from dsbench.core.files import read_json
from dsbench.dag.rule_script import explained
from dsbench.report.scripts import ScriptValues, render_scripts, write_scripts
from dsbench.trtexec.command import profile_of
from dsbench.trtexec.passport import passport_of
from dsbench.trtexec.run import trtexec_version

with explained(snakemake.log[0]):
    measuring = snakemake.params.measuring
    inspect = read_json(snakemake.input.inspect)
    decided = {name: read_json(snakemake.input[name]) for name in ("max_bs", "run1", "run2")}
    passport = read_json(passport_of(Path(snakemake.input.engine[0])))
    scripts = render_scripts(
        ScriptValues(
            model=snakemake.wildcards.model,
            trtexec=snakemake.params.programs["trtexec"],
            trtexec_version=trtexec_version(read_json(snakemake.input.trtexec)),
            deepstream_app=snakemake.params.programs["deepstream_app"],
            profile=profile_of(inspect, decided["max_bs"]["max_bs"]),
            build_flags=passport["flags"],
            duration_s=measuring["duration_s"],
            warm_up_ms=measuring["warm_up_ms"],
            interval_s=measuring["interval_s"],
            windows=measuring["windows"],
            run1_config=str(Path(decided["run1"]["tries"][-1]["log"]).with_suffix(".txt")),
            run2_config=str(Path(decided["run2"]["tries"][-1]["log"]).with_suffix(".txt")),
        )
    )
    write_scripts(scripts, Path(snakemake.output[0]).parent)
