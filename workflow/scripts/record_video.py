"""Draw the detections onto the clip and encode it."""

from pathlib import Path

from dsbench.boxes.kitti import read_directory
from dsbench.core.files import read_json
from dsbench.dag.rule_script import explained
from dsbench.deepstream.video import record_overlay

with explained(snakemake.log[0]):
    # The streammux has the clip's own size, so the boxes need no rescaling.
    record_overlay(
        Path(snakemake.input.video),
        read_json(snakemake.input.clip)["average_fps"],
        read_directory(Path(snakemake.input.kitti)),
        Path(snakemake.output.video),
        Path(snakemake.log[0]),
    )
