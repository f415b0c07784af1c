"""Judge the single-stream detections: the gate, and precision and recall where the clip has a ground truth."""

import json
from pathlib import Path

from dsbench.clip import shown_path
from dsbench.gate import judge, precision_recall
from dsbench.kitti import read_directory
from dsbench.rule_script import explained
from dsbench.whole_file import read_json, write_whole

with explained(snakemake.log[0]):
    frames = read_directory(Path(snakemake.input.kitti))
    video = read_json(snakemake.input.video)
    result = judge(frames, snakemake.params.required_ratio, video["frames"])
    truth = snakemake.input.get("truth")
    result["ground_truth"] = (
        {"file": shown_path(Path(truth), Path(snakemake.params.project))}
        | precision_recall(frames, read_directory(Path(truth)))
        if truth
        else None
    )
    write_whole(snakemake.output[0], json.dumps(result, indent=1) + "\n")
