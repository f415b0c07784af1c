"""Prove the derived preprocessing on frames of the clip, and against what it could be instead."""

from pathlib import Path

from dsbench.checks.preprocess_proof import model_alone, prove_preprocessing
from dsbench.core.records import read_record, write_record
from dsbench.dag.rule_script import explained
from dsbench.machine.clip import ClipFacts
from dsbench.onnx.inspection import Inspection
from dsbench.pixels.nvinfer_pixels import middle_frames

with explained(snakemake.log[0], snakemake.resources.mem_mb):
    files = snakemake.input
    inspect = read_record(files.inspect, Inspection)
    clip = read_record(files.clip, ClipFacts)
    model, reference = model_alone(
        Path(files.onnx),
        inspect,
        Path(files.labels),
        snakemake.params.threshold,
        Path(files.processor) if files.get("processor") else None,
        snakemake.params.preprocessing,
        (clip.height, clip.width),
    )
    frames = middle_frames(Path(files.video), clip.frames, snakemake.params.frames)
    verdict = prove_preprocessing(model, reference, frames, snakemake.params.scaling_filter)
    write_record(snakemake.output[0], verdict.required())
