"""Decode the clip and write what it shows."""

from pathlib import Path

from dsbench.core.records import write_record
from dsbench.dag.rule_script import explained
from dsbench.machine.clip import shown_path
from dsbench.machine.video import inspect_video

with explained(snakemake.log[0]):
    video = Path(snakemake.input.video)
    write_record(snakemake.output[0], inspect_video(video, shown_path(video, Path(snakemake.params.project))))
