"""Write a deepstream-app configuration for N copies of the clip."""

from pathlib import Path

from dsbench.core.files import write_whole
from dsbench.core.records import read_record
from dsbench.dag.rule_script import explained
from dsbench.deepstream.app_config import Clip, relative_to_config, render_app_config
from dsbench.machine.clip import ClipFacts

with explained(snakemake.log[0]):
    clip = read_record(snakemake.input.video, ClipFacts)
    destination = Path(snakemake.output[0])
    kitti = snakemake.params.kitti_directory
    text = render_app_config(
        Clip(snakemake.params.uri, *clip.size),
        streams=snakemake.params.streams,
        nvinfer_config=relative_to_config(Path(snakemake.input.nvinfer), destination),
        interval_s=snakemake.params.interval_s,
        kitti_directory=Path(kitti) if kitti else None,
        loop=snakemake.params.loop,
    )
    write_whole(destination, text)
