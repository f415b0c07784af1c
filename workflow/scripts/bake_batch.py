"""Write the model's ONNX for exactly one batch size, proven to answer as the model does image by image."""

from pathlib import Path

import onnx

from dsbench.onnx_static import static_onnx
from dsbench.rule_script import explained

with explained(snakemake.log[0]):
    model = static_onnx(
        onnx.load(snakemake.input.onnx), int(snakemake.wildcards.batch), Path(snakemake.input.reference)
    )
    onnx.save(model, snakemake.output[0])
