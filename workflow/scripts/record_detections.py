"""Encode the clip as DeepStream draws its detections."""

from pathlib import Path

from dsbench.core.files import read_json
from dsbench.dag.rule_script import explained
from dsbench.deepstream.app_config import Clip
from dsbench.deepstream.video import record_detections
from dsbench.machine.toolchain import facts_of
from dsbench.trtexec.measuring_device import measuring_device
from dsbench.trtexec.passport import check_passport, machine_facts

with explained(snakemake.log[0]):
    video = read_json(snakemake.input.clip)
    engine = Path(snakemake.input.engine[0])
    with measuring_device(snakemake.input.facts, snakemake.log[0], engine) as device:
        check_passport(engine, machine_facts(snakemake.input.facts))
        record_detections(
            Clip(Path(video["path"]).absolute().as_uri(), video["width"], video["height"]),
            video["frames"],
            Path(snakemake.input.nvinfer),
            snakemake.params.encoder,
            Path(snakemake.output.video),
            snakemake.params.timeout_s,
            Path(snakemake.log[0]),
            facts_of(snakemake.input.facts) | device,
        )
