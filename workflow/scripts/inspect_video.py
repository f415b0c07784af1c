"""Decode the clip and write what it shows."""

import json
from pathlib import Path

from dsbench.core.files import write_whole
from dsbench.dag.rule_script import explained
from dsbench.machine.clip import shown_path
from dsbench.machine.video import inspect_video
from dsbench.tools.tool_run import report_progress

with explained(snakemake.log[0]):
    video = Path(snakemake.input.video)
    report_progress(f"decoding all of {video} once, before anything is built on it")
    facts = {"file": shown_path(video, Path(snakemake.params.project)), "path": str(video)} | inspect_video(
        video
    )
    write_whole(snakemake.output[0], json.dumps(facts, indent=1) + "\n")
