"""Write the model's ONNX for exactly one batch size, proven to answer as the model does image by image."""

from pathlib import Path

import onnx

from dsbench.core.files import written_beside
from dsbench.dag.rule_script import explained
from dsbench.onnx.batch import static_onnx

with explained(snakemake.log[0], snakemake.resources.mem_mb):
    model = static_onnx(
        onnx.load(snakemake.input.onnx), int(snakemake.wildcards.batch), Path(snakemake.input.reference)
    )
    with written_beside(Path(snakemake.output[0])) as partial:
        onnx.save(model, partial)
