"""Play the clip once through deepstream-app and keep one KITTI file per frame."""

from pathlib import Path

from dsbench.boxes.kitti import manifest
from dsbench.core.records import write_record
from dsbench.dag.rule_script import explained
from dsbench.deepstream.run import dump_kitti
from dsbench.machine.toolchain import facts_of
from dsbench.trtexec.measuring_device import measuring_device

with explained(snakemake.log[0]):
    engine = Path(snakemake.input.engine[0])
    directory = Path(snakemake.output.kitti)
    with measuring_device(snakemake.input.facts, snakemake.log[0], engine) as device:
        dump_kitti(
            snakemake.params.program,
            Path(snakemake.input.app_config),
            directory,
            snakemake.params.timeout_s,
            Path(snakemake.log[0]),
            facts_of(snakemake.input.facts) | device,
        )
    found = manifest(directory)
    write_record(snakemake.output.manifest, found)
