"""Divide the pixels by a per-channel std inside the graph, exactly, since nvinfer has one scale for all."""

from collections.abc import Sequence

import numpy as np
import onnx
import onnx_graphsurgeon as gs

from dsbench.onnx_compare import GraphError

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
