"""Measure how much of the model's own accuracy is left in the runtime."""

from pathlib import Path

from dsbench.boxes.kitti import read_directory
from dsbench.boxes.truth import Truth
from dsbench.checks.accuracy import Runs, check_accuracy, kept_accuracy
from dsbench.checks.agreement import Bound, Deployment, first_divergence, measured_frames
from dsbench.checks.findings import Bounds
from dsbench.checks.reference_run import ReferenceRun
from dsbench.core.records import read_record, write_record
from dsbench.dag.rule_script import explained

with explained(snakemake.log[0], snakemake.resources.mem_mb):
    files, params = snakemake.input, snakemake.params
    run = read_record(files.reference, ReferenceRun)
    deployed = Deployment.of(files, run, params.threshold)
    runs = Runs(
        own=run.own,
        equal_pixels=run.frames,
        engine=deployed.engine.frames,
        dumped=measured_frames(read_directory(Path(files.kitti)), run.frames, Path(files.kitti)),
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
