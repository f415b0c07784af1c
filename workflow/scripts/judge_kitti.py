"""Judge the single-stream detections: the gate, and precision and recall where the clip has a ground truth."""

from dataclasses import replace
from pathlib import Path

from dsbench.boxes.kitti import read_directory
from dsbench.boxes.truth import Truth
from dsbench.checks.findings import OwnObjects
from dsbench.checks.gate import check_dump, check_truth
from dsbench.checks.scene_limits import View, network_pixels
from dsbench.core.records import read_record, write_record
from dsbench.dag.rule_script import explained
from dsbench.intake.labels import read_labels
from dsbench.machine.clip import ClipFacts
from dsbench.onnx.inspection import Inspection
from dsbench.pixels.nvinfer_pixels import grey_frames

with explained(snakemake.log[0]):
    files, params = snakemake.input, snakemake.params
    frames = read_directory(Path(files.kitti))
    clip = read_record(files.clip, ClipFacts)
    inspect, own = read_record(files.inspect, Inspection), read_record(files.preprocess, OwnObjects)
    labels = read_labels(Path(files.labels))
    size = clip.size
    view = View(
        *size,
        network_px=network_pixels(inspect.preprocessing, *size),
        classes=len(labels),
        grey=lambda numbers: grey_frames(Path(files.video), numbers),
    )
    result = check_dump(frames, params.required_ratio, clip.frames, own, view).required()
    truth = read_record(files.truth, Truth)
    if truth.frames:
        verdict = check_truth(frames, truth.frames, labels, params.required_recall, truth.file)
        result = replace(result, ground_truth=verdict.required())
    write_record(snakemake.output[0], result)
