"""Draw the detections onto the clip and encode it."""

from pathlib import Path

from dsbench.kitti import read_directory
from dsbench.rule_script import explained
from dsbench.video_overlay import record_overlay
from dsbench.whole_file import read_json

with explained(snakemake.log[0]):
    # The streammux has the clip's own size, so the boxes need no rescaling.
    record_overlay(
        Path(snakemake.input.video),
        read_json(snakemake.input.clip)["average_fps"],
        read_directory(Path(snakemake.input.kitti)),
        Path(snakemake.output.video),
        Path(snakemake.log[0]),
    )
