"""Judge how far the single-stream detections agree with the reference run."""

from pathlib import Path

from dsbench.boxes.kitti import read_directory
from dsbench.checks.agreement import Bound, Deployment, check_deployment
from dsbench.checks.reference_run import ReferenceRun
from dsbench.core.records import read_record, write_record
from dsbench.dag.rule_script import explained

with explained(snakemake.log[0], snakemake.resources.mem_mb):
    files = snakemake.input
    reference = read_record(files.reference, ReferenceRun)
    deployed = Deployment.of(files, reference, snakemake.params.threshold)
    bound = Bound(snakemake.params.iou, snakemake.params.required)
    result = check_deployment(
        Path(files.kitti), read_directory(Path(files.kitti)), reference, deployed, bound
    ).required()
    write_record(snakemake.output[0], result)
