"""Write size, frame rate, frame count and hash of the clip."""

import json
from pathlib import Path

from dsbench.clip import shown_path
from dsbench.rule_script import explained
from dsbench.video import inspect_video
from dsbench.whole_file import write_whole

with explained(snakemake.log[0]):
    video = Path(snakemake.input[0])
    facts = {"file": shown_path(video, Path(snakemake.params.project)), "path": str(video)} | inspect_video(
        video
    )
    write_whole(snakemake.output[0], json.dumps(facts, indent=1) + "\n")
