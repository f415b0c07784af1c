"""ONNX graphs: fix height and width, keep the batch symbolic, and slim."""

import numpy as np
import onnx
import onnx_graphsurgeon as gs
import onnxslim

from dsbench.onnx_compare import GraphError, answers, session

BATCH = "batch"
IMAGE_CHANNELS = 3


def fix_spatial_dims(
    model: onnx.ModelProto, height: int, width: int, batch: int | str = BATCH
) -> onnx.ModelProto:
    """Return the model with H and W constant and axis 0 of input and outputs `batch`, slimmed and checked.

    nvinfer needs every output dimension but the batch concrete.
    """
    graph = gs.import_onnx(model)
    if len(graph.inputs) != 1:
        raise GraphError(f"the ONNX has inputs {[i.name for i in graph.inputs]}, expected one image")
    declared = graph.inputs[0].shape[0]
    graph.inputs[0].shape = [batch, IMAGE_CHANNELS, height, width]
    shapes = output_shapes(model, height, width, declared if isinstance(declared, int) else 1)
    for output in graph.outputs:
        if not shapes[output.name]:
            raise GraphError(f"output {output.name} is a single number, expected the batch as its first axis")
        output.shape = [batch, *shapes[output.name][1:]]
    slimmed = onnxslim.slim(gs.export_onnx(graph.cleanup().toposort()))
    check(slimmed)
    return slimmed


def output_shapes(model: onnx.ModelProto, height: int, width: int, images: int) -> dict[str, tuple[int, ...]]:
    """Return each output's dims for a batch of black images, read from a run."""
    black = np.zeros((images, IMAGE_CHANNELS, height, width), np.float32)
    return {name: value.shape for name, value in answers(session(model), black).items()}


def check(model: onnx.ModelProto) -> None:
    """Raise GraphError where onnx.checker, with full shape inference, finds a fault."""
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise GraphError(f"onnx.checker refuses the ONNX: {str(error).strip().splitlines()[0]}") from error
