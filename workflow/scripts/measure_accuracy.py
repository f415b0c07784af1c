"""Measure how much of the model's own accuracy is left in the runtime."""

from pathlib import Path

from dsbench.boxes.kitti import read_directory
from dsbench.boxes.truth import Truth
from dsbench.checks.accuracy import Bounds, Runs, check_accuracy, kept_accuracy
from dsbench.checks.agreement import Bound, Deployment, first_divergence, measured_frames
from dsbench.checks.reference_run import EngineRun, ReferenceRun, reference_model
from dsbench.core.records import read_record, write_record
from dsbench.dag.rule_script import explained
from dsbench.intake.labels import read_labels
from dsbench.machine.clip import ClipFacts
from dsbench.onnx.inspection import read_proven

with explained(snakemake.log[0], snakemake.resources.mem_mb):
    files, params = snakemake.input, snakemake.params
    clip = read_record(files.clip, ClipFacts)
    inspect = read_proven(files.inspect, files.preprocess)
    run = read_record(files.reference, ReferenceRun)
    equal_pixels = run.frames
    labels = read_labels(Path(files.labels))
    deployed = Deployment(
        model=reference_model(inspect, labels, params.threshold),
        inspect=inspect,
        nvinfer_config=Path(files.nvinfer),
        onnx_file=Path(files.onnx),
        video=Path(files.video),
        size=clip.size,
        numbers=list(equal_pixels),
        engine=read_record(files.engine, EngineRun),
    )
    runs = Runs(
        own=run.own,
        equal_pixels=equal_pixels,
        engine=deployed.engine.frames,
        dumped=measured_frames(read_directory(Path(files.kitti)), equal_pixels, Path(files.kitti)),
    )
    measured = kept_accuracy(
        runs,
        deployed,
        run.origin,
        run.every,
        Bounds(**params.bounds),
        read_record(files.truth, Truth),
    )
    bound = Bound(**params.agreement)
    result = check_accuracy(measured, deployed, lambda: first_divergence(deployed, bound)[0]).required()
    write_record(snakemake.output[0], result)
