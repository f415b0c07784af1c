"""TensorRT's NMS plugins in a graph: taken out, so that nvinfer clusters what they would have, in every runtime."""

import re
from dataclasses import dataclass

import numpy as np
import onnx

from dsbench.onnx.batch import declared_batch
from dsbench.onnx.compare import GraphError
from dsbench.onnx.head_graph import WH, XY, AppendedNodes

# Where exporters put plugins; onnx-graphsurgeon leaves them in the standard domain, where onnx.checker refuses them.
PLUGIN_DOMAIN = "TRT"
PLUGIN_DOMAINS = (PLUGIN_DOMAIN, "trt.plugins", "mmdeploy")
DIGITS = 6
# Of box_coding: centre, width and height instead of corners.
CENTRES = 1
# Of boxes [B, N, classes, 4].
PER_CLASS_AXES = 4
PASSING_ON = {"Cast", "Identity", "Reshape", "Squeeze"}
EXPORT_WITHOUT = (
    "export the model without the NMS in its graph: boxes [B, N, 4] in pixels beside scores [B, N, classes], which"
    " nvinfer clusters"
)
# What stands at the end of a detector; other plugins lie within it.
LAST = re.compile("nms|yolo|detect", re.IGNORECASE)


@dataclass(frozen=True)
class Plugin:
    """How a plugin's attributes are called."""

    iou: str
    background: str


EFFICIENT = Plugin("iou_threshold", "background_class")
BATCHED = Plugin("iouThreshold", "backgroundLabelId")
PLUGINS = {
    "EfficientNMS_TRT": EFFICIENT,
    # EfficientNMS with the boxes' indices as a fifth output.
    "EfficientNMSX_TRT": EFFICIENT,
    "EfficientIdxNMS_TRT": EFFICIENT,
    "YOLO_NMS_TRT": EFFICIENT,
    "BatchedNMS_TRT": BATCHED,
    "BatchedNMSDynamic_TRT": BATCHED,
    "TRTBatchedNMS": Plugin("iou_threshold", "background_label_id"),
}


@dataclass(frozen=True)
class WithoutNms:
    """The graph that ends in what the plugin got, corners [B, N, 4] and scores [B, N, C]; `iou` is its overlap."""

    model: onnx.ModelProto
    op: str
    iou: float | None
    note: str


def name_plugin_domain(model: onnx.ModelProto) -> None:
    """Move TensorRT's plugins out of the standard domain, in place; they are the same there."""
    lost = [
        node for node in model.graph.node if node.op_type.endswith("_TRT") and node.domain in ("", "ai.onnx")
    ]
    for node in lost:
        node.domain = PLUGIN_DOMAIN
    if lost and PLUGIN_DOMAIN not in {entry.domain for entry in model.opset_import}:
        model.opset_import.append(onnx.helper.make_opsetid(PLUGIN_DOMAIN, 1))


def take_out_nms(model: onnx.ModelProto, class_count: int | None) -> WithoutNms | None:
    """Return the model without its NMS plugin, None where it has none.

    `class_count` is the number of class names, where it is known: a background in front that has no name is left
    out, any other scores 0. Raises GraphError where a plugin is there that no standard operators stand for.
    """
    found = [node for node in model.graph.node if node.op_type in PLUGINS]
    others = [n for n in model.graph.node if n.domain in PLUGIN_DOMAINS and n.op_type not in PLUGINS]
    if others or len(found) > 1:
        names = ", ".join(sorted({node.op_type[:60] for node in others or found}))
        instead = (
            EXPORT_WITHOUT
            if LAST.search(names)
            else "export the model with ONNX's own operators in their place"
        )
        raise GraphError(
            f"its operators {names} are TensorRT plugins, which nothing here can run and prove; {instead}"
        )
    return _without(model, found[0], class_count) if found else None


def _without(model: onnx.ModelProto, node: onnx.NodeProto, class_count: int | None) -> WithoutNms:
    attributes = {entry.name: onnx.helper.get_attribute_value(entry) for entry in node.attribute}
    plugin = PLUGINS[node.op_type]
    behind = _behind(model, node)
    _refuse_others(node, behind, _dims(model, node.input[0]))
    part, (boxes, scores) = AppendedNodes("before_nms"), node.input
    # BatchedNMS's boxes have an axis of one class, EfficientNMS's may have; 0 copies the batch.
    boxes, scores = (part.put("Cast", tensor, to=onnx.TensorProto.FLOAT) for tensor in (boxes, scores))
    boxes = part.put("Reshape", boxes, part.constant([0, -1, 4], np.int64))
    if attributes.get("box_coding", 0) == CENTRES:
        boxes = part.corners(part.columns(boxes, XY), part.columns(boxes, WH))
    if attributes.get("score_activation", 0):
        scores = part.put("Sigmoid", scores)
    background = attributes.get(plugin.background, -1)
    if background >= 0:
        columns = (_dims(model, node.input[1]) or [0])[-1]
        if not columns:
            raise GraphError(
                f"its {node.op_type} has a background among an unknown number of classes; {EXPORT_WITHOUT}"
            )
        scores = _without_background(part, scores, background, columns, class_count)
    ended = part.onto(model, {"boxes_before_nms": boxes, "scores_before_nms": scores}, declared_batch(model))
    for gone in (node, *behind):
        ended.graph.node.remove(gone)
    # Attributes are float32, of which a configuration needs no more than these digits.
    iou = round(attributes[plugin.iou], DIGITS) if plugin.iou in attributes else None
    note = (
        f"{node.op_type}, which TensorRT alone runs and has deprecated, was taken out of the graph: nvinfer clusters"
        f" the boxes that it got{'' if iou is None else f' at its overlap of {iou:.3g}'}"
    )
    note += (
        "; it suppressed across classes, nvinfer does within each" if attributes.get("class_agnostic") else ""
    )
    return WithoutNms(ended, node.op_type, iou, note)


def _behind(model: onnx.ModelProto, node: onnx.NodeProto) -> list[onnx.NodeProto]:
    """Return the nodes that depend on this one."""
    made, found = set(node.output), []
    for later in model.graph.node:
        if made & set(later.input):
            made |= set(later.output)
            found.append(later)
    return found


def _without_background(
    part: AppendedNodes, scores: str, background: int, columns: int, class_count: int | None
) -> str:
    """Return the scores without a background in front that has no name, else with 0 for it, as the plugin skips it."""
    if background == 0 and class_count == columns - 1:
        return part.columns(scores, range(1, columns))
    others = np.arange(columns) != background
    return part.put("Mul", scores, part.constant(others[None, None]))


def _refuse_others(node: onnx.NodeProto, behind: list[onnx.NodeProto], boxes: list[int]) -> None:
    """Raise GraphError for what a plugin does beyond suppressing final boxes that all classes share."""
    computing = sorted({later.op_type[:60] for later in behind} - PASSING_ON)
    if len([name for name in node.input if name]) != 2:
        reason = "decodes boxes from anchors, whose axis order it does not state"
    elif len(boxes) == PER_CLASS_AXES and boxes[2] > 1:
        reason = "has boxes of their own for each class"
    elif computing:
        reason = f"is followed by {', '.join(computing)}, so that the outputs are not its detections"
    else:
        return
    raise GraphError(f"its {node.op_type} {reason}; {EXPORT_WITHOUT}")


def _dims(model: onnx.ModelProto, name: str) -> list[int]:
    """Return a tensor's dims as shape inference finds them, 0 for a free one; empty where it finds none."""
    inferred = onnx.shape_inference.infer_shapes(model).graph
    values = (*inferred.value_info, *inferred.output)
    shapes = [value.type.tensor_type.shape.dim for value in values if value.name == name]
    return [dim.dim_value for dim in shapes[0]] if shapes else []
