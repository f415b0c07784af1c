"""The last step to the model's ONNX: std folded where nvinfer cannot, proven again, and inspected."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx

from dsbench.onnx_compare import HALF_TOLERANCE, answers, compare_with_reference, session, tolerance_of
from dsbench.onnx_graph import check
from dsbench.onnx_inspect import inspect
from dsbench.onnx_repair import ONNXSIM, simplified
from dsbench.onnx_std import fold_std, inverse
from dsbench.preprocessing import Preprocessing, as_levels
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
    levels = origin.get("takes_levels", False)
    if levels:
        preprocessing = as_levels(preprocessing)
    notes = [*origin["notes"], *preprocessing.notes]
    undivided, std = model, preprocessing.folded_std
    if std is not None:
        model, place = fold_std(model, std)
        notes.append(f"The division by image_std is in the {place} of the ONNX.")
    if repair == ONNXSIM:
        before = len(model.graph.node)
        model = simplified(model)
        notes.append(f"Repaired with onnxsim, as the config asks: {before} -> {len(model.graph.node)} nodes.")
    check(model)
    errors = _errors(model, undivided, std, reference)
    facts = inspect(model) | {
        **{key: value for key, value in origin.items() if key not in ("dynamic", "notes")},
        "preprocessing": preprocessing.facts(),
        "takes_levels": levels,
        "repair": repair,
        "batch": "dynamic" if origin["dynamic"] else "static",
        "max_abs_error": errors,
        "tolerance": tolerance_of(model),
        "notes": notes,
    }
    return model, facts


def _errors(
    model: onnx.ModelProto, undivided: onnx.ModelProto, std: tuple[float, ...] | None, reference: Path
) -> dict:
    """Return how far the model is from its source, which `undivided` was proven equal to before std was folded in."""
    if std is None:
        return compare_with_reference(model, reference)
    if tolerance_of(model) < HALF_TOLERANCE:
        return compare_with_reference(model, reference, per_channel(std))
    # A pixel multiplied by std and divided by it again may differ in its last bit, and of equal scores in half
    # precision another one then comes first: the graph before is asked about the pixels as they come out.
    runner = session(undivided)
    with TemporaryDirectory() as folder, np.load(reference) as arrays:
        pixels = arrays["pixels"]
        divided = pixels * per_channel(std) * inverse(std)[0]
        known = {"pixels": pixels}
        for batch in {len(arrays[key]) for key in arrays.files if key.startswith("b")}:
            known |= {f"b{batch}/{name}": v for name, v in answers(runner, divided[:batch]).items()}
        np.savez(Path(folder) / "reference.npz", **known)
        return compare_with_reference(model, Path(folder) / "reference.npz", per_channel(std))
