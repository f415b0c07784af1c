"""The batch axis: slots proven independent, a baked-in batch made dynamic or unrolled, an ONNX for one batch size."""

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnx_graphsurgeon as gs

from dsbench.onnx.compare import GraphError, answers, largest_difference, session, tolerance_of
from dsbench.onnx.graph import check, fix_spatial_dims

SIZES = "one_image_each"
READ_BATCH = "read_batch"
ELEMENTWISE = ("Add", "Sub", "Mul", "Div", "Where", "Pow", "Min", "Max")
# A constant of fewer axes is one of channels, not of images.
LEAST_AXES = 2
# Split takes the sizes as an input from this opset on.
SPLIT_BY_INPUT = 13
MOST_BATCHES_TRIED = 8
LARGEST_BATCH_TRIED = 32
MOST_AXES = 8
# What TensorRT can address of one tensor.
MOST_ELEMENTS = 2**31 - 1


class BatchError(GraphError):
    """A graph whose batch slots are not what one image alone gets."""


def declared_batch(model: onnx.ModelProto) -> int | str:
    """Return the first dim of the image input: a number where it is baked in, else its name."""
    dim = _first_dim(model)
    return dim.dim_value if dim.HasField("dim_value") else dim.dim_param or "batch"


def state_batch(model: onnx.ModelProto, batch: int) -> None:
    """Write `batch` as the first dim of the model's image."""
    _first_dim(model).dim_value = batch


def _first_dim(model: onnx.ModelProto) -> onnx.TensorShapeProto.Dimension:
    names = {weight.name for weight in model.graph.initializer}
    image = next(value for value in model.graph.input if value.name not in names)
    return image.type.tensor_type.shape.dim[0]


def batches_to_try(model: onnx.ModelProto) -> list[int]:
    """Return the batches that a model may be for: the number that it states, else 1 and the graph's own numbers.

    An exporter may name the batch and bake the number of its sample into shapes; the most frequent comes first.
    """
    declared = declared_batch(model)
    if isinstance(declared, int):
        return [declared]
    found = Counter(number for number in _leading_numbers(model.graph) if 1 < number <= LARGEST_BATCH_TRIED)
    return [1, *(number for number, _ in found.most_common(MOST_BATCHES_TRIED))]


def _leading_numbers(graph: onnx.GraphProto) -> Iterator[int]:
    """Yield the first number of every list of shapes or repeats in the graph, and the first dim of its constants."""
    tensors = [*graph.initializer, *(a.t for n in graph.node if n.op_type == "Constant" for a in n.attribute)]
    for tensor in tensors:
        if (
            len(tensor.dims) == 1
            and tensor.data_type == onnx.TensorProto.INT64
            and 0 < tensor.dims[0] <= MOST_AXES
        ):
            yield int(onnx.numpy_helper.to_array(tensor)[0])
        elif len(tensor.dims) > LEAST_AXES:
            yield tensor.dims[0]


def largest_batch(model: onnx.ModelProto) -> int | None:
    """Return the largest batch at which no tensor has more elements than TensorRT can address.

    None where the batch is baked in, or shape inference knows no tensor that grows with it.
    """
    if isinstance(declared_batch(model), int):
        return None
    one, two = (_elements(model, batch) for batch in (1, 2))
    growing = [
        (one[name], two[name] - one[name]) for name in one.keys() & two.keys() if two[name] > one[name]
    ]
    return min(((MOST_ELEMENTS - first) // growth + 1 for first, growth in growing), default=None)


def _elements(model: onnx.ModelProto, batch: int) -> dict[str, int]:
    """Return how many elements each tensor has at `batch`, as far as shape inference knows."""
    sized = onnx.ModelProto()
    sized.CopyFrom(model)
    state_batch(sized, batch)
    # They may name the batch.
    del sized.graph.value_info[:]
    return {name: math.prod(dims) for name, dims in _static_shapes(sized).items()}


def single_answers(model: onnx.ModelProto, pixels: np.ndarray) -> list[dict[str, np.ndarray]]:
    """Return the answers for each image of `pixels`, run alone."""
    runner = session(model)
    return [answers(runner, pixels[index : index + 1]) for index in range(len(pixels))]


def check_slots(model: onnx.ModelProto, pixels: np.ndarray, alone: list[dict[str, np.ndarray]]) -> float:
    """Return the largest difference of a batch's slots to the images run `alone`.

    Raises BatchError naming output and slot where different images leak into each other, equal images get
    different answers, or an output has no batch axis.
    """
    runner = session(model)
    limit = tolerance_of(model)
    different = answers(runner, pixels)
    equal = answers(runner, np.repeat(pixels[:1], len(pixels), axis=0))
    worst = 0.0
    for name, value in different.items():
        if value.ndim == 0 or len(value) != len(pixels) or len(alone[0][name]) != 1:
            raise BatchError(
                f"output {name} has shape {list(value.shape)} for {len(pixels)} images, expected one row for each"
            )
        for slot in range(len(pixels)):
            pairs = (
                ("different", value[slot], alone[slot][name][0]),
                ("equal", equal[name][slot], alone[0][name][0]),
            )
            for images, got, want in pairs:
                error = largest_difference({name: got}, {name: want})
                if not error <= limit:
                    raise BatchError(
                        f"output {name}, slot {slot} of {len(pixels)} {images} images differs by {error:.3g} from"
                        f" the image alone, expected at most {limit}: the batch is not independent"
                    )
                worst = max(worst, error)
    return worst


def make_batch_dynamic(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model of a baked-in batch with a symbolic one; only check_slots can tell if it is right.

    Every Reshape to a constant shape gets -1 as first dim and the known numbers after it; a constant that is the same
    for each of the baked-in images is repeated for as many as there are.
    """
    shapes = _static_shapes(model)
    graph = gs.import_onnx(model)
    baked = graph.inputs[0].shape[0]
    for tensor in (*graph.inputs, *graph.outputs):
        tensor.shape = ["batch", *(tensor.shape or [])[1:]]
    for node in list(graph.nodes):
        _repeat_constants(graph, node, baked)
        if node.op != "Reshape" or not isinstance(node.inputs[1], gs.Constant):
            continue
        if isinstance(node.inputs[0], gs.Constant) or not shapes.get(node.outputs[0].name):
            continue
        wanted = np.array([-1, *shapes[node.outputs[0].name][1:]], np.int64)
        node.inputs[1] = gs.Constant(f"{node.outputs[0].name}_dims", wanted)
    for tensor in graph.tensors().values():
        if isinstance(tensor, gs.Variable) and tensor not in graph.inputs and tensor not in graph.outputs:
            tensor.shape = None
    dynamic = gs.export_onnx(graph.cleanup().toposort())
    dynamic.metadata_props.extend(model.metadata_props)
    return dynamic


def _repeat_constants(graph: gs.Graph, node: gs.Node, baked: int) -> None:
    """Give a node's constants of one equal row per baked-in image a row for each image that comes."""
    if node.op not in (*ELEMENTWISE, "Concat") or (node.op == "Concat" and node.attrs["axis"] == 0):
        return
    for place, tensor in enumerate(node.inputs):
        if not isinstance(tensor, gs.Constant) or len(tensor.shape) < LEAST_AXES or tensor.shape[0] != baked:
            continue
        if not (tensor.values == tensor.values[:1]).all():
            continue
        row = gs.Constant(f"{tensor.name}_of_one_image", tensor.values[:1])
        # An operator on elements repeats one row itself.
        node.inputs[place] = row if node.op in ELEMENTWISE else _repeated(graph, row)


def _repeated(graph: gs.Graph, row: gs.Constant) -> gs.Variable:
    rows = gs.Variable(f"{row.name}_repeated", row.dtype)
    shape = gs.Variable(f"{row.name}_shape", np.int64)
    tail = gs.Constant(f"{row.name}_tail", np.array(row.shape[1:], np.int64))
    batch = batch_of(graph, graph.inputs[0])
    graph.nodes.append(gs.Node("Concat", attrs={"axis": 0}, inputs=[batch, tail], outputs=[shape]))
    graph.nodes.append(gs.Node("Expand", inputs=[row, shape], outputs=[rows]))
    return rows


def batch_of(graph: gs.Graph, image: gs.Variable) -> gs.Variable:
    """Return the tensor [1] that holds how many images there are, read from the image."""
    for node in graph.nodes:
        if node.name == READ_BATCH:
            return node.outputs[0]
    dims = gs.Variable("image_dims", np.int64)
    batch = gs.Variable("image_batch", np.int64, [1])
    zero = gs.Constant("first_axis", np.array([0], np.int64))
    graph.nodes.append(gs.Node("Shape", inputs=[image], outputs=[dims]))
    graph.nodes.append(gs.Node("Gather", READ_BATCH, inputs=[dims, zero], outputs=[batch]))
    return batch


def _static_shapes(model: onnx.ModelProto) -> dict[str, list[int]]:
    """Return the dims of every tensor whose dims shape inference finds all known."""
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    values = [*inferred.graph.value_info, *inferred.graph.output]
    dims = {value.name: value.type.tensor_type.shape.dim for value in values}
    return {
        name: [dim.dim_value for dim in known]
        for name, known in dims.items()
        if len(known) > 0 and all(dim.HasField("dim_value") and dim.dim_value > 0 for dim in known)
    }


def unroll_batch(model: onnx.ModelProto, batch: int) -> onnx.ModelProto:
    """Return a static model for `batch` images from one for a single image: the graph once per image.

    Right for every graph, since each copy is the original; the copies share their weights.
    """
    if declared_batch(model) != 1:
        raise BatchError(f"the ONNX has batch {declared_batch(model)}, only a batch of 1 can be unrolled")
    unrolled = onnx.ModelProto()
    unrolled.CopyFrom(model)
    graph = unrolled.graph
    del graph.node[:], graph.value_info[:]
    shared = {weight.name for weight in graph.initializer}
    image = next(value for value in graph.input if value.name not in shared)
    slots = [f"{image.name}_slot{slot}" for slot in range(batch)]
    graph.node.append(_split(unrolled, image.name, slots))
    for slot in range(batch):
        graph.node.extend(_renamed(node, shared, slot) for node in model.graph.node)
    for output in graph.output:
        parts = [f"{output.name}_slot{slot}" for slot in range(batch)]
        join = onnx.helper.make_node("Concat", parts, [output.name], f"join_{output.name}", axis=0)
        graph.node.append(join)
    for value in (image, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = batch
    return unrolled


def _split(model: onnx.ModelProto, image: str, slots: list[str]) -> onnx.NodeProto:
    """Return the node that gives each image of the batch a tensor of its own."""
    sizes = np.ones(len(slots), np.int64)
    if standard_opset(model) < SPLIT_BY_INPUT:
        return onnx.helper.make_node("Split", [image], slots, "split_batch", axis=0, split=sizes.tolist())
    model.graph.initializer.append(onnx.numpy_helper.from_array(sizes, SIZES))
    return onnx.helper.make_node("Split", [image, SIZES], slots, "split_batch", axis=0)


def standard_opset(model: onnx.ModelProto) -> int:
    """Return the version of ONNX's own operators that the model is written in."""
    return next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 1)


def _renamed(node: onnx.NodeProto, shared: set[str], slot: int) -> onnx.NodeProto:
    """Return the node with every name that is not `shared` made the slot's own, in its subgraphs too."""
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    copy.name = node.name and f"{node.name}_slot{slot}"
    for names in (copy.input, copy.output):
        names[:] = [name if name in shared or not name else f"{name}_slot{slot}" for name in names]
    for attribute in copy.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            _rename_subgraph(attribute.g, shared, slot)
    return copy


def _rename_subgraph(graph: onnx.GraphProto, shared: set[str], slot: int) -> None:
    inner = shared | {weight.name for weight in graph.initializer}
    nodes = [_renamed(node, inner, slot) for node in graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    for value in (*graph.input, *graph.output, *graph.value_info):
        value.name = f"{value.name}_slot{slot}"


def static_onnx(model: onnx.ModelProto, batch: int, reference: Path) -> onnx.ModelProto:
    """Return the model for `batch` images, proven on the pixels in `reference`; raise BatchError if it differs.

    A dynamic batch gets the number; a static one of 1 is unrolled.
    """
    with np.load(reference) as arrays:
        pixels = arrays["pixels"]
    if isinstance(declared_batch(model), int):
        static = unroll_batch(model, batch) if batch > 1 else model
    else:
        height, width = pixels.shape[2:]
        static = fix_spatial_dims(model, height, width, batch)
    check(static)
    _compare(model, static, np.resize(pixels, (batch, *pixels.shape[1:])))
    return static


def _compare(model: onnx.ModelProto, static: onnx.ModelProto, pixels: np.ndarray) -> None:
    got = answers(session(static), pixels)
    runner = session(model)
    for slot in range(len(pixels)):
        want = answers(runner, pixels[slot : slot + 1])
        error = largest_difference({name: value[slot : slot + 1] for name, value in got.items()}, want)
        if not error <= tolerance_of(model):
            raise BatchError(
                f"slot {slot} of the ONNX for {len(pixels)} images differs by {error:.3g} from the image alone"
            )
