"""Fix height and width of the exported ONNX, slim it, and prove that it still computes what torch does."""

import json
from pathlib import Path

import onnx

from dsbench.onnx_graph import TOLERANCE, compare_with_torch, fix_spatial_dims, inspect
from dsbench.preprocessing import read_preprocessing
from dsbench.rule_script import explained

with explained(snakemake.log[0]):
    size = read_preprocessing(Path(snakemake.input.processor), do_normalize_default=False)
    exported = onnx.load(snakemake.input.onnx)
    model = fix_spatial_dims(exported, size.height, size.width)
    errors = compare_with_torch(model, Path(snakemake.input.reference))
    facts = inspect(model) | {
        "exported_nodes": len(exported.graph.node),
        "max_abs_error": errors,
        "tolerance": TOLERANCE,
    }
    onnx.save(model, snakemake.output.onnx)
    Path(snakemake.output.inspect).write_text(json.dumps(facts, indent=1) + "\n")
