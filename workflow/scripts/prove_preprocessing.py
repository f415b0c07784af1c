"""Prove the derived preprocessing on frames of the clip, and against what it could be instead."""

import json
from pathlib import Path

import onnx

from dsbench.boxes.detection_scores import decoder_of
from dsbench.checks.preprocess_proof import Model, in_levels, prove_preprocessing, reference_of
from dsbench.core.files import read_json, write_whole
from dsbench.dag.rule_script import explained
from dsbench.onnx.compare import session
from dsbench.pixels.nvinfer_pixels import middle_frames
from dsbench.pixels.preprocessing import preprocessing_of

with explained(snakemake.log[0]):
    files = snakemake.input
    inspect = read_json(files.inspect)
    model = Model(
        session(onnx.load(files.onnx)),
        preprocessing_of(inspect["preprocessing"]),
        decoder_of(inspect, Path(files.labels), snakemake.params.threshold),
    )
    clip = read_json(files.clip)
    reference = reference_of(
        Path(files.processor) if files.get("processor") else None,
        model.decoder.family,
        model.size,
        (clip["height"], clip["width"]),
        snakemake.params.preprocessing,
    )
    if inspect.get("takes_levels"):
        reference = in_levels(reference)
    frames = middle_frames(Path(files.video), clip["frames"], snakemake.params.frames)
    verdict = prove_preprocessing(model, reference, frames)
    write_whole(snakemake.output[0], json.dumps(verdict.required(), indent=1) + "\n")
