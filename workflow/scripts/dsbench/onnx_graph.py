"""ONNX graphs: fix height and width, keep the batch symbolic, slim, and prove nothing changed."""

from pathlib import Path

import numpy as np
import onnx
import onnx_graphsurgeon as gs
import onnxruntime
import onnxslim

from dsbench.errors import BuildError

BATCH = "batch"
IMAGE_CHANNELS = 3
# Largest difference to torch that is rounding: seen up to 7e-5 on logits over ten families.
TOLERANCE = 1e-3


class GraphError(BuildError):
    """An ONNX the build cannot serve, or that does not compute what its source computes."""


def fix_spatial_dims(model: onnx.ModelProto, height: int, width: int) -> onnx.ModelProto:
    """Return the model with H and W constant and axis 0 of input and outputs named `batch`, slimmed.

    nvinfer needs every output dimension but the batch concrete.
    """
    graph = gs.import_onnx(model)
    if len(graph.inputs) != 1:
        raise GraphError(f"the ONNX has inputs {[i.name for i in graph.inputs]}, expected one image")
    graph.inputs[0].shape = [BATCH, IMAGE_CHANNELS, height, width]
    answer_shapes = _output_shapes(model, height, width)
    for output in graph.outputs:
        output.shape = [BATCH, *answer_shapes[output.name]]
    slimmed = onnxslim.slim(gs.export_onnx(graph.cleanup().toposort()))
    onnx.checker.check_model(slimmed, full_check=True)
    return slimmed


def _output_shapes(model: onnx.ModelProto, height: int, width: int) -> dict[str, tuple[int, ...]]:
    """Return each output's dims without the batch, read from a run on a black image."""
    session = _session(model)
    black = np.zeros((1, IMAGE_CHANNELS, height, width), np.float32)
    answers = session.run(None, {session.get_inputs()[0].name: black})
    return {
        output.name: answer.shape[1:] for output, answer in zip(session.get_outputs(), answers, strict=True)
    }


def compare_with_torch(model: onnx.ModelProto, reference: Path) -> dict[str, float]:
    """Return the largest absolute difference to torch at batch 1 and 3; refuse more than TOLERANCE.

    The three images of the batch differ, so a slot that leaks into another one shows.
    """
    session = _session(model)
    name = session.get_inputs()[0].name
    errors = {}
    with np.load(reference) as arrays:
        for batch in (1, 3):
            answers = session.run(None, {name: arrays["pixels"][:batch]})
            wanted = [arrays[f"torch_b{batch}/{output.name}"] for output in session.get_outputs()]
            errors[f"batch_{batch}"] = max(
                float(np.abs(got - want).max()) for got, want in zip(answers, wanted, strict=True)
            )
    for batch, error in errors.items():
        if not error <= TOLERANCE:
            raise GraphError(
                f"the ONNX differs from torch by {error:.3g} at {batch}, expected at most {TOLERANCE}"
            )
    return errors


def inspect(model: onnx.ModelProto) -> dict:
    """Return opset, node count, and name, shape, dtype of the input and the outputs."""
    opset = next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx"))
    return {
        "opset": opset,
        "nodes": len(model.graph.node),
        "producer": model.producer_name,
        "input": _tensor(model.graph.input[0]),
        "outputs": [_tensor(value) for value in model.graph.output],
    }


def _tensor(value: onnx.ValueInfoProto) -> dict:
    kind = value.type.tensor_type
    return {
        "name": value.name,
        "shape": [dim.dim_param or dim.dim_value for dim in kind.shape.dim],
        "dtype": onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name,
    }


def _session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
