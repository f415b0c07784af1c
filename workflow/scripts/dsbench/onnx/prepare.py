"""The last step to the model's ONNX: std folded where nvinfer cannot, proven again, and inspected."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import onnx_graphsurgeon as gs

from dsbench.core.files import write_whole
from dsbench.families.graph_facts import tensor_facts
from dsbench.onnx.batch import largest_batch
from dsbench.onnx.compare import (
    HALF_TOLERANCE,
    GraphError,
    answers,
    compare_with_reference,
    session,
    tolerance_of,
)
from dsbench.onnx.graph import ONNXSIM, check, simplified
from dsbench.onnx.in_graph import with_resize
from dsbench.onnx.inspection import GraphSummary, Inspection, Origin, Recognised, TensorFacts
from dsbench.pixels.graph_resize import ResizeMatrices
from dsbench.pixels.preprocessing import Preprocessing, as_levels, per_channel

FOLDED = "deepstream_import.folded_std"
# They read the size of the image, not its pixels.
SHAPE_READERS = ("Shape",)


def fold_std(model: onnx.ModelProto, std: Sequence[float]) -> tuple[onnx.ModelProto, str]:
    """Return the model that divides its image by `std` per channel, and where: "first Conv" or "Mul".

    The mean must be subtracted before: folding it too would be wrong at zero-padded borders. Raises GraphError
    where the model says that it was folded already.
    """
    if any(entry.key == FOLDED for entry in model.metadata_props):
        raise GraphError("the ONNX already divides by its std; folding it twice would be wrong")
    graph = gs.import_onnx(model)
    image = graph.inputs[0]
    factors = 1 / np.asarray(std, np.float64).reshape(1, 3, 1, 1)
    readers = [node for node in image.outputs if node.op not in SHAPE_READERS]
    if len(readers) == 1 and _is_plain_conv(readers[0], image):
        _scale_weights(readers[0], factors)
        place = "first Conv"
    else:
        _insert_mul(graph, image, factors)
        place = "Mul"
    folded = gs.export_onnx(graph.cleanup().toposort())
    folded.metadata_props.extend(model.metadata_props)
    entry = folded.metadata_props.add()
    entry.key, entry.value = FOLDED, ",".join(f"{value:.9g}" for value in std)
    return folded, place


def inverse(std: Sequence[float]) -> np.ndarray:
    """Return the factors [1, 3, 1, 1] that the folded graph multiplies float32 pixels by."""
    return (1 / np.asarray(std, np.float64).reshape(1, 3, 1, 1)).astype(np.float32)


def _is_plain_conv(node: gs.Node, image: gs.Variable) -> bool:
    return (
        node.op == "Conv"
        and node.inputs[0] is image
        and isinstance(node.inputs[1], gs.Constant)
        and node.inputs[1].shape[1] == 3
    )


def _scale_weights(conv: gs.Node, factors: np.ndarray) -> None:
    weights = conv.inputs[1]
    scaled = (weights.values.astype(np.float64) * factors).astype(weights.values.dtype)
    # A constant of its own: another node may share the original.
    conv.inputs[1] = gs.Constant(f"{weights.name}_over_std", scaled)


def _insert_mul(graph: gs.Graph, image: gs.Variable, factors: np.ndarray) -> None:
    readers = [node for node in image.outputs if node.op not in SHAPE_READERS]
    scaled = gs.Variable(f"{image.name}_over_std", image.dtype, image.shape)
    for node in readers:
        node.inputs = [scaled if tensor is image else tensor for tensor in node.inputs]
    factor = gs.Constant("one_over_std", factors.astype(image.dtype))
    graph.nodes.append(gs.Node("Mul", "divide_by_std", inputs=[image, factor], outputs=[scaled]))


def graph_summary(model: onnx.ModelProto) -> GraphSummary:
    """Return what is counted in the model; its first input is the image."""
    standard = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    return GraphSummary(
        opset=standard[0],
        nodes=len(model.graph.node),
        producer=model.producer_name,
        input=_tensor(model.graph.input[0]),
        outputs=[_tensor(value) for value in model.graph.output],
        ops=dict(sorted(Counter(node.op_type for node in model.graph.node).items())),
        weight_bytes=sum(_weight_bytes(weight) for weight in model.graph.initializer),
        onnx_bytes=model.ByteSize(),
    )


def _tensor(value: onnx.ValueInfoProto) -> TensorFacts:
    dims, dtype = tensor_facts(value)
    return TensorFacts(value.name, dims, dtype)


def _weight_bytes(weight: onnx.TensorProto) -> int:
    count = 1
    for dim in weight.dims:
        count *= dim
    return count * onnx.helper.tensor_dtype_to_np_dtype(weight.data_type).itemsize


def inspection_table(name: str, facts: Inspection) -> str:
    """Return inspect.json's content as Markdown."""
    tensors = [("input", facts.input), *(("output", output) for output in facts.outputs)]
    rows = [
        ("Family", f"{facts.family} ({facts.why})"),
        ("From", facts.origin),
        *((kind, f"`{t.name}` {_shape(t.shape)} {t.dtype}") for kind, t in tensors),
        ("Batch", facts.batch),
        *([("Largest batch for TensorRT", facts.largest_batch)] if facts.largest_batch else []),
        ("Opset", facts.opset),
        ("Nodes", facts.nodes),
        ("Operators", ", ".join(f"{op} {count}" for op, count in _by_count(facts.ops))),
        ("Weights", f"{facts.weight_bytes / 2**20:.1f} MiB"),
        ("File", f"{facts.onnx_bytes / 2**20:.1f} MiB"),
        *(
            (f"Largest difference, {batch.replace('_', ' ')}", f"{error:.3g} (allowed {facts.tolerance})")
            for batch, error in facts.max_abs_error.items()
        ),
        *(("Note", note) for note in facts.notes),
    ]
    lines = [f"| {key} | {str(value).replace('|', chr(92) + '|')} |" for key, value in rows]
    return "\n".join([f"# {name}", "", "| | |", "|---|---|", *lines]) + "\n"


def _shape(dims: list) -> str:
    return " x ".join(str(dim) for dim in dims)


def _by_count(ops: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(ops.items(), key=lambda entry: (-entry[1], entry[0]))


def write_inspection(path: Path, name: str, facts: Inspection) -> None:
    """Write the table beside inspect.json."""
    write_whole(path, inspection_table(name, facts))


def prepare(
    model: onnx.ModelProto,
    preprocessing: Preprocessing,
    reference: Path,
    origin: Origin,
    repair: str | None = None,
    resize: ResizeMatrices | None = None,
) -> tuple[onnx.ModelProto, Inspection]:
    """Return the model nvinfer gets and its inspection.

    `reference` has the source's answers, which the returned model gives too, at batch 1 and, with a dynamic batch, 3.
    `resize` is put before all that, so that nvinfer hands on whole frames.
    """
    if origin.takes_levels:
        preprocessing = as_levels(preprocessing)
    notes = [*origin.notes, *preprocessing.notes]
    if resize is not None:
        notes = [note for note in notes if note not in preprocessing.resize_notes]
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
    if resize is not None:
        if not origin.dynamic:
            raise GraphError(
                "resize is in_graph, but the batch of this ONNX is static; leave resize out, or export the model with a"
                " dynamic batch"
            )
        model, preprocessing = with_resize(model, resize, preprocessing)
        notes.append(preprocessing.notes[-1])
    recognised = {field.name: getattr(origin, field.name) for field in fields(Recognised)}
    facts = Inspection(
        **vars(graph_summary(model)),
        **recognised,
        preprocessing=preprocessing,
        takes_levels=origin.takes_levels,
        repair=repair,
        batch="dynamic" if origin.dynamic else "static",
        largest_batch=largest_batch(model),
        max_abs_error=errors,
        tolerance=tolerance_of(model),
        notes=notes,
    )
    return model, facts


def _errors(
    model: onnx.ModelProto,
    undivided: onnx.ModelProto,
    std: tuple[float, float, float] | None,
    reference: Path,
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
