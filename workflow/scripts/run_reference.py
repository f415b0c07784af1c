"""Run the model in ONNX Runtime over frames of the clip and keep the boxes that should be found."""

from pathlib import Path

from dsbench.checks.preprocess_proof import model_alone
from dsbench.checks.reference_run import ReferenceRun, own_boxes, reference_model, run_reference
from dsbench.core.records import read_record, write_record
from dsbench.dag.rule_script import explained
from dsbench.intake.labels import read_labels
from dsbench.machine.clip import ClipFacts
from dsbench.onnx.inspection import read_proven
from dsbench.pixels.nvinfer_pixels import evenly_spread

with explained(snakemake.log[0], snakemake.resources.mem_mb):
    files, params = snakemake.input, snakemake.params
    clip = read_record(files.clip, ClipFacts)
    inspect = read_proven(files.inspect, files.preprocess)
    onnx, video, labels = Path(files.onnx), Path(files.video), read_labels(Path(files.labels))
    numbers = evenly_spread(clip.frames, params.frames)
    frames = run_reference(
        onnx, reference_model(inspect, labels, params.threshold), video, clip.size, numbers
    )
    model, reference = model_alone(
        onnx,
        inspect,
        Path(files.labels),
        params.threshold,
        Path(files.processor) if files.get("processor") else None,
        params.preprocessing,
        (clip.height, clip.width),
    )
    own = own_boxes(model, reference, labels, video, numbers)
    write_record(snakemake.output[0], ReferenceRun(numbers.step, frames, own, reference.origin))
