"""Note what a stream must get: what the configuration says, else what the clip needs."""

import json

from dsbench.core.files import read_json, write_whole
from dsbench.dag.rule_script import explained

with explained(snakemake.log[0]):
    named = snakemake.params.target_fps
    if named is None:
        noted = {"target_fps": read_json(snakemake.input.clip)["fps"], "from": "clip"}
    else:
        noted = {"target_fps": named, "from": "config"}
    write_whole(snakemake.output[0], json.dumps(noted, indent=1) + "\n")
