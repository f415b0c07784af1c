"""Write size, frame rate, frame count and hash of the clip."""

import json
from pathlib import Path

from dsbench.rule_script import explained
from dsbench.video import inspect_video

with explained(snakemake.log[0]):
    facts = {"file": snakemake.input[0]} | inspect_video(Path(snakemake.input[0]))
    Path(snakemake.output[0]).write_text(json.dumps(facts, indent=1) + "\n")
