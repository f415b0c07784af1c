"""An ONNX in half precision with float32 inputs and outputs, for builders that take the types from the ONNX."""

import numpy as np
import onnx
import onnx_graphsurgeon as gs
from onnx import TensorProto, helper
from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

from dsbench.onnx_compare import GraphError, session
from dsbench.onnx_graph import check

# Sums and exponentials over many numbers, where eleven bits are too few for some networks.
NORMALISATIONS = [
    "Exp",
    "InstanceNormalization",
    "LayerNormalization",
    "Pow",
    "ReduceMean",
    "ReduceSum",
    "Softmax",
    "Sqrt",
]
# What stays in float32, in the order it is tried.
ATTEMPTS = {"least": [], "normalisations": NORMALISATIONS}


def half_precision(model: onnx.ModelProto, keep: str) -> onnx.ModelProto:
    """Return the model in float16 but for its inputs and outputs and the operators of `keep`, checked.

    Raises GraphError where the result is no valid graph.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    blocked = [*DEFAULT_OP_BLOCK_LIST, *ATTEMPTS[keep]]
    converted = convert_float_to_float16(copy, keep_io_types=True, op_block_list=blocked)
    # The converter puts its casts at the end, and the shapes it inferred may be of types it then changed.
    del converted.graph.value_info[:]
    graph = gs.import_onnx(converted)
    _join_float32(graph)
    half = gs.export_onnx(graph.cleanup().toposort())
    half.ir_version = model.ir_version
    check(half)
    session(half)
    _check_types(model, half)
    return half


def _join_float32(graph: gs.Graph) -> None:
    """Take out what the converter puts between two operators in float32: a cast to float16 and one back."""
    for back in [node for node in graph.nodes if _casts_to(node, TensorProto.FLOAT)]:
        there = back.inputs[0].inputs[0] if back.inputs[0].inputs else None
        if there is None or not _casts_to(there, TensorProto.FLOAT16) or there.inputs[0].dtype == np.float16:
            continue
        for user in list(back.outputs[0].outputs):
            user.inputs = [there.inputs[0] if tensor is back.outputs[0] else tensor for tensor in user.inputs]


def _casts_to(node: gs.Node, kind: int) -> bool:
    return node.op == "Cast" and node.attrs.get("to") in (kind, helper.tensor_dtype_to_np_dtype(kind))


def half_share(model: onnx.ModelProto) -> float:
    """Return 0..1: how many of the weights' numbers are in float16."""
    sizes = {TensorProto.FLOAT: 0, TensorProto.FLOAT16: 0}
    for weight in model.graph.initializer:
        if weight.data_type in sizes:
            count = 1
            for dim in weight.dims:
                count *= dim
            sizes[weight.data_type] += count
    total = sum(sizes.values())
    return sizes[TensorProto.FLOAT16] / total if total else 0.0


def _check_types(model: onnx.ModelProto, half: onnx.ModelProto) -> None:
    """Refuse other types at the borders: nvinfer writes and reads float32 tensors only."""
    for before, after in ((model.graph.input, half.graph.input), (model.graph.output, half.graph.output)):
        types = [
            {tensor.name: tensor.type.tensor_type.elem_type for tensor in side} for side in (before, after)
        ]
        if types[0] != types[1]:
            raise GraphError(
                f"the ONNX in half precision has inputs and outputs of types {types[1]}, expected {types[0]}"
            )
