"""Give a ready-made ONNX the interface nvinfer has: one float32 image in, float32 tensors out."""

import numpy as np
import onnx
import onnx_graphsurgeon as gs
from onnx import helper

from dsbench.families.graph_facts import has_channels_last
from dsbench.onnx.batch import batch_of
from dsbench.onnx.compare import GraphError
from dsbench.pixels.own_pixels import LARGEST_LEVEL

# How each type of image is called in a graph; nvinfer feeds float32.
IMAGE_TYPES = tuple(np.dtype(kind) for kind in (np.float32, np.float16, np.float64, np.uint8))
CAST_OUTPUTS = tuple(
    np.dtype(kind) for kind in (np.float16, np.float64, np.int64, np.int32, np.uint8, np.bool_)
)
CHANNELS = 3
TO_CHANNELS_LAST = (0, 2, 3, 1)
MOVES = ("Transpose", "Identity", "Squeeze", "Unsqueeze", "Reshape")


def image_input(graph: gs.Graph) -> gs.Variable:
    """Return the only 4-D input of three channels, first or last; raise GraphError showing all inputs."""
    images = [
        tensor
        for tensor in graph.inputs
        if tensor.shape is not None and len(tensor.shape) == 4 and np.dtype(tensor.dtype) in IMAGE_TYPES
    ]
    if len(images) != 1:
        raise GraphError(
            f"the ONNX has inputs {_signature(graph)}, expected exactly one image [B, 3, H, W] or [B, H, W, 3] of"
            f" {', '.join(kind.name for kind in IMAGE_TYPES)}"
        )
    channels = images[0].shape[3 if has_channels_last(images[0].shape) else 1]
    if isinstance(channels, int) and channels != CHANNELS:
        raise GraphError(
            f"the ONNX has the image {_signature(graph)}, expected 3 channels as its second axis or its last;"
            " nvinfer feeds three"
        )
    return images[0]


def image_size(image: gs.Variable) -> list[int | str]:
    """Return height and width, a name where a side is free."""
    return list(image.shape[1:3] if has_channels_last(image.shape) else image.shape[2:])


def fix_image_size(image: gs.Variable, height: int, width: int) -> None:
    """Give the image this size, in its own layout."""
    sides = [height, width, CHANNELS] if has_channels_last(image.shape) else [CHANNELS, height, width]
    image.shape = [image.shape[0], *sides]


def as_image(image: gs.Variable, pixels: np.ndarray) -> np.ndarray:
    """Return `pixels` [B, 3, H, W] in the type and layout that the ONNX's own image has."""
    if has_channels_last(image.shape):
        pixels = pixels.transpose(TO_CHANNELS_LAST)
    return np.ascontiguousarray(pixels, image.dtype)


def takes_levels(model: onnx.ModelProto) -> bool:
    """Return whether the image is of bytes, which hold nothing but levels of 0 to 255."""
    return np.dtype(image_input(gs.import_onnx(model)).dtype) == np.uint8


def representable(model: onnx.ModelProto, pixels: np.ndarray) -> np.ndarray:
    """Return the float32 pixels nearest to `pixels` that the type of the ONNX's image holds exactly.

    Fed with others, the ONNX and its source would round them at different places.
    """
    kind = np.dtype(image_input(gs.import_onnx(model)).dtype)
    if kind == np.uint8:
        pixels = pixels.round().clip(0, LARGEST_LEVEL)
    return pixels.astype(kind).astype(np.float32)


def _signature(graph: gs.Graph) -> str:
    return ", ".join(f"{t.name} {t.shape} {np.dtype(t.dtype).name}" for t in graph.inputs) or "none"


def fit_interface(model: onnx.ModelProto, height: int, width: int) -> tuple[onnx.ModelProto, list[str]]:
    """Return the model with one float32 image input and float32 outputs, and a sentence for each change.

    Inputs whose value follows from the network's size become constants; any other input raises GraphError.
    """
    graph = gs.import_onnx(model)
    image = image_input(graph)
    fix_image_size(image, height, width)
    notes = [
        f"output {name} is a constant, which no picture changes: left out" for name in _leave_constants(graph)
    ]
    notes += [
        _fold_input(graph, tensor, image, (height, width))
        for tensor in list(graph.inputs)
        if tensor is not image
    ]
    notes += [note for change in (_turn_input, _cast_input) if (note := change(graph, image))]
    notes += [
        _cast_output(graph, index)
        for index, output in enumerate(graph.outputs)
        if np.dtype(output.dtype) in CAST_OUTPUTS
    ]
    fitted = gs.export_onnx(graph.cleanup().toposort())
    del fitted.metadata_props[:]
    fitted.metadata_props.extend(model.metadata_props)
    return fitted, notes


def _leave_constants(graph: gs.Graph) -> list[str]:
    """Take outputs that are constants off the graph and return their names: they have no row for each image."""
    constants = [
        output
        for output in graph.outputs
        if isinstance(output, gs.Constant) or any(node.op == "Constant" for node in output.inputs)
    ]
    graph.outputs = [output for output in graph.outputs if not any(output is each for each in constants)]
    return [output.name for output in constants]


def side_value(graph: gs.Graph, tensor: gs.Variable, size: tuple[int, int]) -> np.ndarray:
    """Return the value of a side input for one image of height and width `size`; raise GraphError for another input."""
    height, width = size
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


def _fold_input(graph: gs.Graph, tensor: gs.Variable, image: gs.Variable, size: tuple[int, int]) -> str:
    value = side_value(graph, tensor, size)
    graph.inputs.remove(tensor)
    batch = batch_of(graph, image)
    tail = gs.Constant(f"{tensor.name}_tail", np.array(value.shape[1:], np.int64))
    shape = gs.Variable(f"{tensor.name}_shape", np.int64)
    graph.nodes.append(gs.Node("Concat", attrs={"axis": 0}, inputs=[batch, tail], outputs=[shape]))
    # The tensor keeps its name and readers; only where it comes from changes.
    one = gs.Constant(f"{tensor.name}_of_one_image", value)
    graph.nodes.append(gs.Node("Expand", inputs=[one, shape], outputs=[tensor]))
    return f"input {tensor.name} is the constant {np.unique(value).tolist()} for every image"


def _cast_input(graph: gs.Graph, image: gs.Variable) -> str | None:
    kind = np.dtype(image.dtype)
    if kind == np.float32:
        return None
    if kind == np.uint8 and (moved := _moved_to_casts(image)) is not None:
        for tensor in (image, *moved):
            tensor.dtype = np.float32
        return f"input {image.name} was uint8, nvinfer feeds float32: the levels are whole, and its own Cast reads them"
    inner = _take_over(image, f"{image.name}_{kind.name}")
    image.dtype = np.float32
    to = helper.np_dtype_to_tensor_dtype(kind)
    graph.nodes.append(gs.Node("Cast", f"image_to_{kind.name}", {"to": to}, [image], [inner]))
    return f"input {image.name} was {kind.name}, nvinfer feeds float32: a Cast was put at the input"


def _moved_to_casts(image: gs.Variable) -> list[gs.Variable] | None:
    """Return the tensors that only move the image's bytes on the way to Casts, None where bytes are computed with.

    TensorRT knows bytes at its borders alone, so a Cast to them and one back are better left out.
    """
    moved, found = [image], []
    while moved:
        for node in moved.pop().outputs:
            if node.op in MOVES:
                moved += node.outputs
                found += node.outputs
            elif node.op not in ("Cast", "Shape"):
                return None
    return found


def _turn_input(graph: gs.Graph, image: gs.Variable) -> str | None:
    if not has_channels_last(image.shape):
        return None
    inner = _take_over(image, f"{image.name}_channels_last")
    batch, height, width, channels = image.shape
    image.shape = [batch, channels, height, width]
    turn = gs.Node("Transpose", "image_to_channels_last", {"perm": list(TO_CHANNELS_LAST)}, [image], [inner])
    graph.nodes.append(turn)
    return f"input {image.name} had its channels last, nvinfer feeds them first: a Transpose was put at the input"


def _take_over(image: gs.Variable, name: str) -> gs.Variable:
    """Return a new tensor like the image, which all of the image's readers read in place of it."""
    inner = gs.Variable(name, image.dtype, list(image.shape))
    for node in list(image.outputs):
        node.inputs = [inner if tensor is image else tensor for tensor in node.inputs]
    return inner


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
