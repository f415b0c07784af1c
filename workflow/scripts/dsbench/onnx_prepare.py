"""The last step to the model's ONNX: std folded where nvinfer cannot, proven again, and inspected."""

from pathlib import Path

import onnx

from dsbench.onnx_compare import compare_with_reference, tolerance_of
from dsbench.onnx_graph import check
from dsbench.onnx_inspect import inspect
from dsbench.onnx_repair import ONNXSIM, simplified
from dsbench.onnx_std import fold_std
from dsbench.preprocessing import Preprocessing
from dsbench.reference_pixels import per_channel


def prepare(
    model: onnx.ModelProto,
    preprocessing: Preprocessing,
    reference: Path,
    origin: dict,
    repair: str | None = None,
) -> tuple[onnx.ModelProto, dict]:
    """Return the model nvinfer gets and the content of inspect.json.

    `origin` is what model_onnx says of the model's family and making; `reference` the source's answers, which
    the returned model gives too, at batch 1 and, with a dynamic batch, 3.
    """
    notes = [*origin["notes"], *preprocessing.notes]
    factor = None
    if preprocessing.folded_std is not None:
        model, place = fold_std(model, preprocessing.folded_std)
        factor = per_channel(preprocessing.folded_std)
        notes.append(f"The division by image_std is in the {place} of the ONNX.")
    if repair == ONNXSIM:
        before = len(model.graph.node)
        model = simplified(model)
        notes.append(f"Repaired with onnxsim, as the config asks: {before} -> {len(model.graph.node)} nodes.")
    check(model)
    errors = compare_with_reference(model, reference, factor)
    facts = inspect(model) | {
        **{key: value for key, value in origin.items() if key not in ("dynamic", "notes")},
        "preprocessing": preprocessing.facts(),
        "repair": repair,
        "batch": "dynamic" if origin["dynamic"] else "static",
        "max_abs_error": errors,
        "tolerance": tolerance_of(model),
        "notes": notes,
    }
    return model, facts
