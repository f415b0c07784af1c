"""The batch axis: prove that slots are independent, make a baked-in batch dynamic, or unroll it."""

import numpy as np
import onnx
import onnx_graphsurgeon as gs

from dsbench.onnx_compare import GraphError, answers, largest_difference, session, tolerance_of

SIZES = "one_image_each"


class BatchError(GraphError):
    """A graph whose batch slots are not what one image alone gets."""


def declared_batch(model: onnx.ModelProto) -> int | str:
    """Return the first dim of the image input: a number where it is baked in, else its name."""
    names = {weight.name for weight in model.graph.initializer}
    image = next(value for value in model.graph.input if value.name not in names)
    dim = image.type.tensor_type.shape.dim[0]
    return dim.dim_value if dim.HasField("dim_value") else dim.dim_param or "batch"


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
    """Return the model of a baked-in batch of 1 with a symbolic one; only check_slots can tell if it is right.

    Every Reshape to a constant shape gets -1 as first dim and the known numbers after it.
    """
    shapes = _static_shapes(model)
    graph = gs.import_onnx(model)
    for tensor in (*graph.inputs, *graph.outputs):
        tensor.shape = ["batch", *(tensor.shape or [])[1:]]
    for node in graph.nodes:
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
    _per_image_sizes(graph, batch)
    slots = [f"{image.name}_slot{slot}" for slot in range(batch)]
    graph.node.append(onnx.helper.make_node("Split", [image.name, SIZES], slots, "split_batch", axis=0))
    for slot in range(batch):
        graph.node.extend(_renamed(node, shared, slot) for node in model.graph.node)
    for output in graph.output:
        parts = [f"{output.name}_slot{slot}" for slot in range(batch)]
        join = onnx.helper.make_node("Concat", parts, [output.name], f"join_{output.name}", axis=0)
        graph.node.append(join)
    for value in (image, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = batch
    return unrolled


def _per_image_sizes(graph: onnx.GraphProto, batch: int) -> None:
    graph.initializer.append(onnx.numpy_helper.from_array(np.ones(batch, np.int64), SIZES))


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
