"""Run the model in ONNX Runtime over frames of the clip and keep the boxes that should be found."""

from pathlib import Path

from dsbench.checks.reference_run import reference_model, run_reference
from dsbench.core.records import read_record, write_record
from dsbench.dag.rule_script import explained
from dsbench.intake.labels import read_labels
from dsbench.machine.clip import ClipFacts
from dsbench.onnx.inspection import read_proven
from dsbench.pixels.nvinfer_pixels import evenly_spread

with explained(snakemake.log[0], snakemake.resources.mem_mb):
    clip = read_record(snakemake.input.clip, ClipFacts)
    numbers = evenly_spread(clip.frames, snakemake.params.frames)
    run = run_reference(
        Path(snakemake.input.onnx),
        reference_model(
            read_proven(snakemake.input.inspect, snakemake.input.preprocess),
            read_labels(Path(snakemake.input.labels)),
            snakemake.params.threshold,
        ),
        Path(snakemake.input.video),
        clip.size,
        numbers,
    )
    write_record(snakemake.output[0], run)
