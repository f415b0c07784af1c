"""Write a deepstream-app configuration for N copies of the clip."""

from pathlib import Path

from dsbench.app_config import Clip, render_app_config
from dsbench.config_path import relative_to_config
from dsbench.rule_script import explained
from dsbench.whole_file import read_json, write_whole

with explained(snakemake.log[0]):
    video = read_json(snakemake.input.video)
    destination = Path(snakemake.output[0])
    kitti = snakemake.params.kitti_directory
    text = render_app_config(
        Clip(snakemake.params.uri, video["width"], video["height"]),
        streams=snakemake.params.streams,
        nvinfer_config=relative_to_config(Path(snakemake.input.nvinfer), destination),
        interval_s=snakemake.params.interval_s,
        kitti_directory=Path(kitti) if kitti else None,
        loop=snakemake.params.loop,
    )
    write_whole(destination, text)
