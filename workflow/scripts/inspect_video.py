"""Decode the clip and write what it shows."""

import json
from pathlib import Path

from dsbench.clip import shown_path
from dsbench.rule_script import explained
from dsbench.tool_run import report_progress
from dsbench.video import inspect_video
from dsbench.whole_file import write_whole

with explained(snakemake.log[0]):
    video = Path(snakemake.input.video)
    report_progress(f"decoding all of {video} once, before anything is built on it")
    facts = {"file": shown_path(video, Path(snakemake.params.project)), "path": str(video)} | inspect_video(
        video
    )
    write_whole(snakemake.output[0], json.dumps(facts, indent=1) + "\n")
