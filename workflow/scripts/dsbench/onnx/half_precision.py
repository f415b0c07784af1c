"""An ONNX in half precision with float32 inputs and outputs, and whether it still finds what the float32 one finds."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import onnx
import onnx_graphsurgeon as gs
from onnx import TensorProto, helper
from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

from dsbench.boxes.detection_scores import Decoder, above, likeness
from dsbench.onnx.compare import GraphError, answers, largest_difference, session
from dsbench.onnx.graph import check
from dsbench.onnx.inspection import HalfAttempt, HalfPrecision, ObjectCounts
from dsbench.pixels.reference_preprocessing import Picture

# What computes nothing, or holds its type in an attribute.
AS_THEY_ARE = {"Cast", "Constant", "ConstantOfShape", "If", "Loop", "Scan"}
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
# The same objects with boxes and scores a little off: trained detectors were seen to agree to 0.987 and better.
LEAST_LIKENESS = 0.95
# Where nothing is detected, fainter detections tell; where there are none either, the tensors.
FAINT = 0.1
LARGEST_DIFFERENCE = 0.1


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


def to_half(
    model: onnx.ModelProto, pixels: np.ndarray, decoder: Decoder, size: tuple[int, int]
) -> tuple[onnx.ModelProto, HalfPrecision]:
    """Return the model in half precision and what was measured; as little as possible stays in float32.

    `pixels` is a batch as the ONNX gets it, `size` the height and width of the model's own network: behind a resize in
    the graph it is not that of the pixels. Raises GraphError where no attempt is accurate enough.
    """
    wanted = answers(session(model), pixels)
    refused: list[HalfAttempt] = []
    for keep in ATTEMPTS:
        try:
            half = half_precision(model, keep)
            attempt = compare(keep, wanted, answers(session(rounded(half)), pixels), decoder, size)
        except GraphError as error:
            attempt = HalfAttempt(kept_in_float32=keep, accepted=False, error=str(error))
        if attempt.accepted:
            return half, HalfPrecision(
                **vars(attempt), half_share=half_share(half), images=len(pixels), refused=refused
            )
        refused.append(attempt)
    raise GraphError(
        f"in half precision the ONNX is too far from float32: {_told(refused[-1])}; set precision: fp32"
    )


def compare(
    keep: str,
    wanted: Mapping[str, np.ndarray],
    found: Mapping[str, np.ndarray],
    decoder: Decoder,
    size: tuple[int, int],
) -> HalfAttempt:
    """Return how far `found` is from `wanted`, and whether that is half precision's rounding."""
    difference = largest_difference(found, wanted)
    max_difference = difference if np.isfinite(difference) else None
    for threshold in (decoder.threshold, decoder.threshold * FAINT):
        before, after = (
            _rows(outputs, replace(decoder, threshold=threshold), size) for outputs in (wanted, found)
        )
        score = likeness(before, after, threshold)
        if score is not None:
            return HalfAttempt(
                kept_in_float32=keep,
                accepted=score >= LEAST_LIKENESS,
                max_difference=max_difference,
                told_by="detections",
                threshold=threshold,
                detections=ObjectCounts(len(above(before, threshold)), len(above(after, threshold))),
                likeness=score,
                least_likeness=LEAST_LIKENESS,
            )
    return HalfAttempt(
        kept_in_float32=keep,
        accepted=difference <= LARGEST_DIFFERENCE,
        max_difference=max_difference,
        told_by="tensors",
        largest_difference=LARGEST_DIFFERENCE,
    )


def _rows(outputs: Mapping[str, np.ndarray], decoder: Decoder, size: tuple[int, int]) -> list[np.ndarray]:
    """Return the detections of each image, in pixels of the network's input."""
    picture = Picture(0, 0, size[1], size[0])
    count = len(next(iter(outputs.values())))
    return [
        decoder.rows({name: value[i : i + 1] for name, value in outputs.items()}, size, picture, size)
        for i in range(count)
    ]


def _told(attempt: HalfAttempt) -> str:
    if isinstance(attempt.error, str):
        return attempt.error
    if attempt.told_by == "detections":
        alike = f"its detections are like float32's to {attempt.likeness:.3f} of 1"
        return f"{alike}, at least {LEAST_LIKENESS} is expected"
    return f"its tensors differ by {attempt.max_difference}, at most {LARGEST_DIFFERENCE} is expected"
