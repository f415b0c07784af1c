"""Write the scripts that repeat each measured command."""

import json
from pathlib import Path

from dsbench.engine_passport import passport_of
from dsbench.reference_scripts import Measured, render_scripts, write_scripts
from dsbench.rule_script import explained
from dsbench.trtexec_command import profile_of
from dsbench.trtexec_run import trtexec_version

with explained(snakemake.log[0]):
    measuring = snakemake.params.measuring
    inspect = json.loads(Path(snakemake.input.inspect).read_text())
    decided = {
        name: json.loads(Path(snakemake.input[name]).read_text()) for name in ("max_bs", "run1", "run2")
    }
    passport = json.loads(passport_of(Path(decided["max_bs"]["engine"])).read_text())
    scripts = render_scripts(
        Measured(
            model=snakemake.wildcards.model,
            trtexec=snakemake.params.programs["trtexec"],
            trtexec_version=trtexec_version(json.loads(Path(snakemake.input.trtexec).read_text())),
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
