"""Prove the derived preprocessing on frames of the clip, and against what it could be instead."""

import json
from pathlib import Path

import onnx

from dsbench.boxes.detection_scores import decoder_of
from dsbench.checks.preprocess_proof import Model, in_levels, prove_preprocessing, reference_of
from dsbench.core.files import write_whole
from dsbench.core.records import read_record
from dsbench.dag.rule_script import explained
from dsbench.families.declared import family_of
from dsbench.machine.clip import ClipFacts
from dsbench.onnx.compare import session
from dsbench.onnx.in_graph import split_resize
from dsbench.onnx.inspection import Inspection
from dsbench.pixels.nvinfer_pixels import middle_frames

with explained(snakemake.log[0]):
    files = snakemake.input
    inspect = read_record(files.inspect, Inspection)
    family = family_of(inspect.family, inspect.nms_iou_threshold)
    graph, front = onnx.load(files.onnx), None
    if inspect.preprocessing.in_graph is not None:
        front, graph = split_resize(graph)
    model = Model(
        session(graph),
        inspect.preprocessing,
        decoder_of(family, inspect, Path(files.labels), snakemake.params.threshold),
        front and session(front),
    )
    clip = read_record(files.clip, ClipFacts)
    reference = reference_of(
        Path(files.processor) if files.get("processor") else None,
        model.decoder.family,
        model.size,
        (clip.height, clip.width),
        snakemake.params.preprocessing,
    )
    if inspect.takes_levels:
        reference = in_levels(reference)
    frames = middle_frames(Path(files.video), clip.frames, snakemake.params.frames)
    verdict = prove_preprocessing(model, reference, frames, snakemake.params.scaling_filter)
    write_whole(snakemake.output[0], json.dumps(verdict.required(), indent=1) + "\n")
