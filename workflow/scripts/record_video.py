"""Draw the detections onto the clip and encode it."""

from pathlib import Path

from dsbench.kitti import read_directory
from dsbench.rule_script import explained
from dsbench.video_overlay import record_overlay

with explained(snakemake.log[0]):
    record_overlay(
        Path(snakemake.input.video), read_directory(Path(snakemake.input.kitti)), Path(snakemake.output.video)
    )
