"""Half precision's rounding on processors that have no half-precision arithmetic."""

import numpy as np
import onnx
import onnx_graphsurgeon as gs
from onnx import TensorProto

# What computes nothing, or holds its type in an attribute.
AS_THEY_ARE = {"Cast", "Constant", "ConstantOfShape", "If", "Loop", "Scan"}


def rounded(half: onnx.ModelProto) -> onnx.ModelProto:
    """Return a graph that computes each half-precision operator in float32 and rounds what comes out.

    ONNX Runtime has no half-precision arithmetic on most processors: given `half` itself it stays in float32 from
    one such operator to the next, and an overflow between them would not be seen.
    """
    typed = onnx.shape_inference.infer_shapes(half, strict_mode=True)
    graph = gs.import_onnx(typed)
    widened: dict[str, gs.Tensor] = {}
    for node in list(graph.nodes):
        if node.op not in AS_THEY_ARE:
            node.inputs = [_wide(graph, tensor, widened) for tensor in node.inputs]
            node.outputs = [_narrow(graph, tensor) for tensor in node.outputs]
    return gs.export_onnx(graph.cleanup().toposort())


def _wide(graph: gs.Graph, tensor: gs.Tensor, widened: dict[str, gs.Tensor]) -> gs.Tensor:
    if tensor.dtype != np.float16:
        return tensor
    name = f"{tensor.name}/wide"
    if tensor.name not in widened and isinstance(tensor, gs.Constant):
        widened[tensor.name] = gs.Constant(name, tensor.values.astype(np.float32))
    elif tensor.name not in widened:
        widened[tensor.name] = gs.Variable(name, np.float32, tensor.shape)
        _add_cast(graph, tensor, widened[tensor.name], TensorProto.FLOAT)
    return widened[tensor.name]


def _narrow(graph: gs.Graph, tensor: gs.Tensor) -> gs.Tensor:
    if tensor.dtype != np.float16:
        return tensor
    exact = gs.Variable(f"{tensor.name}/exact", np.float32, tensor.shape)
    _add_cast(graph, exact, tensor, TensorProto.FLOAT16)
    return exact


def _add_cast(graph: gs.Graph, source: gs.Tensor, target: gs.Tensor, kind: int) -> None:
    graph.nodes.append(
        gs.Node("Cast", f"{target.name}/cast", {"to": kind}, inputs=[source], outputs=[target])
    )
