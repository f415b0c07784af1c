"""Write the model's ONNX for exactly one batch size, proven to answer as the model does image by image."""

from pathlib import Path

import onnx

from dsbench.onnx_static import static_onnx
from dsbench.rule_script import explained
from dsbench.whole_file import written_beside

with explained(snakemake.log[0]):
    model = static_onnx(
        onnx.load(snakemake.input.onnx), int(snakemake.wildcards.batch), Path(snakemake.input.reference)
    )
    with written_beside(Path(snakemake.output[0])) as partial:
        onnx.save(model, partial)
