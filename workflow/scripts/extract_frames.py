"""Keep three frames of the encoded video as pictures."""

from pathlib import Path

from dsbench.dag.rule_script import explained
from dsbench.deepstream.video import extract_frames

with explained(snakemake.log[0]):
    extract_frames(Path(snakemake.input[0]), Path(snakemake.output[0]).parent)
