"""Judge how far the single-stream detections agree with the reference run."""

from pathlib import Path

from dsbench.boxes.kitti import read_directory
from dsbench.checks.agreement import Bound, Deployment, check_deployment
from dsbench.checks.reference_run import EngineRun, ReferenceRun, reference_model
from dsbench.core.records import read_record, write_record
from dsbench.dag.rule_script import explained
from dsbench.intake.labels import read_labels
from dsbench.machine.clip import ClipFacts
from dsbench.onnx.inspection import read_proven

with explained(snakemake.log[0], snakemake.resources.mem_mb):
    files = snakemake.input
    clip = read_record(files.clip, ClipFacts)
    inspect = read_proven(files.inspect, files.preprocess)
    reference = read_record(files.reference, ReferenceRun)
    deployed = Deployment(
        model=reference_model(inspect, read_labels(Path(files.labels)), snakemake.params.threshold),
        inspect=inspect,
        nvinfer_config=Path(files.nvinfer),
        onnx_file=Path(files.onnx),
        video=Path(files.video),
        size=clip.size,
        numbers=list(reference.frames),
        engine=read_record(files.engine, EngineRun),
    )
    bound = Bound(snakemake.params.iou, snakemake.params.required)
    result = check_deployment(
        Path(files.kitti), read_directory(Path(files.kitti)), reference, deployed, bound
    ).required()
    write_record(snakemake.output[0], result)
