"""Encode the clip with its detections: drawn by DeepStream itself, or drawn in from the KITTI dump."""

from pathlib import Path

from dsbench.boxes.kitti import read_directory
from dsbench.core.records import read_record
from dsbench.dag.rule_script import explained
from dsbench.deepstream.app_config import Clip
from dsbench.deepstream.video import record_detections, record_overlay
from dsbench.machine.clip import ClipFacts
from dsbench.machine.toolchain import facts_of
from dsbench.trtexec.measuring_device import measuring_device

with explained(snakemake.log[0]):
    clip, log = read_record(snakemake.input.clip, ClipFacts), Path(snakemake.log[0])
    if snakemake.input.get("kitti"):
        # The streammux has the clip's own size, so the boxes need no rescaling.
        record_overlay(
            Path(snakemake.input.video),
            clip.average_fps,
            read_directory(Path(snakemake.input.kitti)),
            Path(snakemake.output.video),
            log,
        )
    else:
        engine = Path(snakemake.input.engine[0])
        with measuring_device(snakemake.input.facts, snakemake.log[0], engine) as device:
            record_detections(
                Clip(Path(clip.path).absolute().as_uri(), *clip.size),
                clip.frames,
                Path(snakemake.input.nvinfer),
                snakemake.params.encoder,
                Path(snakemake.output.video),
                snakemake.params.timeout_s,
                log,
                facts_of(snakemake.input.facts) | device,
            )
