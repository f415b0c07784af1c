"""Write the frame whose pixels the exported ONNX is compared on."""

from pathlib import Path

from dsbench.dag.rule_script import explained
from dsbench.machine.video import save_frame

with explained(snakemake.log[0]):
    save_frame(Path(snakemake.input[0]), snakemake.params.frame, Path(snakemake.output[0]))
