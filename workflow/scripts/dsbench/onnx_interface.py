"""Give a ready-made ONNX the interface nvinfer has: one float32 image in, float32 tensors out."""

import numpy as np
import onnx
import onnx_graphsurgeon as gs

from dsbench.onnx_compare import GraphError

IMAGE_TYPES = (np.dtype(np.float32), np.dtype(np.float16))
CAST_OUTPUTS = tuple(np.dtype(kind) for kind in (np.float16, np.float64, np.int64, np.int32, np.bool_))


def image_input(graph: gs.Graph) -> gs.Variable:
    """Return the only 4-D floating-point input with channels first; raise GraphError showing all inputs."""
    images = [
        tensor
        for tensor in graph.inputs
        if tensor.shape is not None and len(tensor.shape) == 4 and np.dtype(tensor.dtype) in IMAGE_TYPES
    ]
    if len(images) != 1:
        raise GraphError(
            f"the ONNX has inputs {_signature(graph)}, expected exactly one float image [B, 3, H, W]"
        )
    channels = images[0].shape[1]
    if isinstance(channels, int) and channels != 3:
        raise GraphError(
            f"the ONNX has the image {_signature(graph)}, expected 3 channels as its second axis;"
            " export it with channels first"
        )
    return images[0]


def _signature(graph: gs.Graph) -> str:
    return ", ".join(f"{t.name} {t.shape} {np.dtype(t.dtype).name}" for t in graph.inputs) or "none"


def fit_interface(model: onnx.ModelProto, height: int, width: int) -> tuple[onnx.ModelProto, list[str]]:
    """Return the model with one float32 image input and float32 outputs, and a sentence for each change.

    Inputs whose value follows from the network's size become constants; any other input raises GraphError.
    """
    graph = gs.import_onnx(model)
    image = image_input(graph)
    image.shape = [image.shape[0], 3, height, width]
    notes = [_fold_input(graph, tensor, image) for tensor in list(graph.inputs) if tensor is not image]
    if np.dtype(image.dtype) == np.float16:
        notes.append(_cast_input(graph, image))
    notes += [
        _cast_output(graph, index)
        for index, output in enumerate(graph.outputs)
        if np.dtype(output.dtype) in CAST_OUTPUTS
    ]
    fitted = gs.export_onnx(graph.cleanup().toposort())
    del fitted.metadata_props[:]
    fitted.metadata_props.extend(model.metadata_props)
    return fitted, notes


def side_value(graph: gs.Graph, tensor: gs.Variable, image: gs.Variable) -> np.ndarray:
    """Return the value of a side input for one image of the network's size; raise GraphError for an unknown one."""
    height, width = image.shape[2:]
    values = {
        "pixel_mask": lambda: np.ones((1, *_concrete(tensor.shape[1:], (height, width)))),
        "orig_target_sizes": lambda: np.array([[width, height]]),
        "im_shape": lambda: np.array([[height, width]]),
        "scale_factor": lambda: np.ones((1, 2)),
    }
    if tensor.name not in values:
        raise GraphError(
            f"the ONNX has inputs {_signature(graph)}; nvinfer feeds only the image, and {tensor.name} follows"
            " from neither its size nor a prompt that could be frozen here; export the model without it"
        )
    return values[tensor.name]().astype(tensor.dtype)


def _concrete(shape: list, fallback: tuple[int, int]) -> tuple[int, ...]:
    return tuple(
        side if isinstance(side, int) else other for side, other in zip(shape, fallback, strict=True)
    )


def _fold_input(graph: gs.Graph, tensor: gs.Variable, image: gs.Variable) -> str:
    value = side_value(graph, tensor, image)
    graph.inputs.remove(tensor)
    batch = _batch_of(graph, image)
    tail = gs.Constant(f"{tensor.name}_tail", np.array(value.shape[1:], np.int64))
    shape = gs.Variable(f"{tensor.name}_shape", np.int64)
    graph.nodes.append(gs.Node("Concat", attrs={"axis": 0}, inputs=[batch, tail], outputs=[shape]))
    # The tensor keeps its name and readers; only where it comes from changes.
    one = gs.Constant(f"{tensor.name}_of_one_image", value)
    graph.nodes.append(gs.Node("Expand", inputs=[one, shape], outputs=[tensor]))
    return f"input {tensor.name} is the constant {np.unique(value).tolist()} for every image"


def _batch_of(graph: gs.Graph, image: gs.Variable) -> gs.Variable:
    for node in graph.nodes:
        if node.name == "read_batch":
            return node.outputs[0]
    dims = gs.Variable("image_dims", np.int64)
    batch = gs.Variable("image_batch", np.int64, [1])
    zero = gs.Constant("first_axis", np.array([0], np.int64))
    graph.nodes.append(gs.Node("Shape", inputs=[image], outputs=[dims]))
    graph.nodes.append(gs.Node("Gather", "read_batch", inputs=[dims, zero], outputs=[batch]))
    return batch


def _cast_input(graph: gs.Graph, image: gs.Variable) -> str:
    half = gs.Variable(f"{image.name}_float16", np.float16, image.shape)
    for node in list(image.outputs):
        node.inputs = [half if tensor is image else tensor for tensor in node.inputs]
    image.dtype = np.float32
    cast = gs.Node("Cast", "image_to_float16", {"to": onnx.TensorProto.FLOAT16}, [image], [half])
    graph.nodes.append(cast)
    return f"input {image.name} was float16, nvinfer feeds float32: a Cast was put at the input"


def _cast_output(graph: gs.Graph, index: int) -> str:
    output = graph.outputs[index]
    name, kind = output.name, np.dtype(output.dtype).name
    output.name = f"{name}_{kind}"
    public = gs.Variable(name, np.float32, output.shape)
    graph.nodes.append(
        gs.Node("Cast", f"{name}_to_float32", {"to": onnx.TensorProto.FLOAT}, [output], [public])
    )
    graph.outputs[index] = public
    return f"output {name} was {kind}: a Cast to float32 was put at the output"
