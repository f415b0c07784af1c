"""Graphs that end in TensorRT's NMS plugins: the plugin is taken out, and nvinfer clusters what it got."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import tiny_graphs as graphs
from dsbench.deepstream.nvinfer_config import class_keys
from dsbench.families.decision_table import UnknownGraphError, family_facts
from dsbench.families.declared import family_named, family_of
from dsbench.families.graph_facts import graph_facts
from dsbench.onnx.compare import GraphError
from dsbench.onnx.graph import check
from dsbench.onnx.head_joining import completed
from dsbench.onnx.importing import import_onnx
from dsbench.onnx.nms_plugins import take_out_nms
from dsbench.onnx.source_graph import load_checked

CORNERS = np.array([[1, 0, 1, 0], [0, 1, 0, 1], [-0.5, 0, 0.5, 0], [0, -0.5, 0, 0.5]], np.float32)
OUTPUTS = ("num_dets", "det_boxes", "det_scores", "det_classes")
EFFICIENT = {"background_class": -1, "box_coding": 0, "iou_threshold": 0.65, "score_activation": 0}
BATCHED = {"shareLocation": 1, "backgroundLabelId": -1, "iouThreshold": 0.5}


def model_of(
    op="EfficientNMS_TRT",
    attributes=EFFICIENT,
    scale=64.0,
    coded=CORNERS,
    raw=False,
    each=0,
    inputs=2,
    outputs=OUTPUTS,
    domain="TRT",
    producer="pytorch",
):
    """Return a detector of 24 boxes and 4 scores that ends in the plugin.

    `scale` are the units of its boxes; with `each` they are of so many classes, on an axis of its own.
    """
    model = graphs.queries()
    weights = [
        graphs.constant("coded", coded * scale, np.float32),
        graphs.constant("each", [0, -1, each, 4]),
    ]
    nodes = [helper.make_node("MatMul", ["pred_boxes", "coded"], ["boxes"])]
    nodes += [] if raw else [helper.make_node("Sigmoid", ["logits"], ["prob"])]
    boxes, scores = "boxes", "logits" if raw else "prob"
    if each:
        nodes.append(helper.make_node("Reshape", [boxes, "each"], ["boxes4"]))
        boxes = "boxes4"
    names = [boxes, scores, *["coded"] * (inputs - 2)]
    nodes.append(helper.make_node(op, names, outputs, domain=domain, **attributes))
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(weights)
    del model.graph.output[:]
    shapes = (["batch", 1], ["batch", 9, 4], ["batch", 9], ["batch", 9])
    kinds = (TensorProto.INT32, TensorProto.FLOAT, TensorProto.FLOAT, TensorProto.INT32)
    for name, dims, kind in zip(outputs, shapes, kinds, strict=False):
        model.graph.output.append(graphs.info(name, dims, kind))
    if domain:
        model.opset_import.append(helper.make_opsetid(domain, 1))
    model.producer_name = producer
    return model


def pixels():
    return np.random.default_rng(5).random((3, 3, graphs.HEIGHT, graphs.WIDTH), np.float32)


def taken_out(model, names=()):
    """Return what was made of the graph: its import, its family, and what was done."""
    complete = completed(model, pixels(), dict(enumerate(names)))
    imported = import_onnx(complete.model, pixels())
    return imported, complete.recognised(imported.facts, None, None).family, complete


def wanted():
    """Return corners in pixels and scores of the detector without a plugin, for the first picture."""
    alone = import_onnx(graphs.queries(), pixels()).alone[0]
    return alone["pred_boxes"][0] @ (CORNERS * 64), 1 / (1 + np.exp(-alone["logits"][0]))


@pytest.mark.parametrize(
    "model",
    [
        {},
        {"domain": ""},
        {"coded": np.eye(4, dtype=np.float32), "attributes": EFFICIENT | {"box_coding": 1}},
        {"raw": True, "attributes": EFFICIENT | {"score_activation": 1}},
        {"op": "YOLO_NMS_TRT", "outputs": (*OUTPUTS, "det_indices")},
        {"op": "BatchedNMS_TRT", "attributes": BATCHED, "each": 1},
        {"op": "BatchedNMSDynamic_TRT", "attributes": BATCHED, "each": 1, "domain": ""},
    ],
    ids=["plain", "standard domain", "centres", "logits", "indices", "batched", "batched dynamic"],
)
def test_what_the_plugin_got_are_the_outputs(model, tmp_path):
    source = load_checked(graphs.write(model_of(**model), tmp_path / "model.onnx"))[0]
    imported, family, complete = taken_out(source)
    assert imported.dynamic
    assert family.name == "nms_plugin"
    boxes, scores = wanted()
    np.testing.assert_allclose(imported.alone[0]["boxes_before_nms"][0], boxes, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(imported.alone[0]["scores_before_nms"][0], scores, atol=1e-5)
    assert "was taken out of the graph" in complete.notes[0]
    assert family_facts(family, graph_facts(imported.model)).class_count == 4


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ({"scale": 1.0}, "nms_plugin_fractions"),
        ({"outputs": ("BatchedNMS", "BatchedNMS_1", "BatchedNMS_2", "BatchedNMS_3")}, "tao_nms_plugin"),
        (
            {"outputs": ("num", "detection_boxes", "b", "classes"), "producer": "tf2onnx"},
            "nms_plugin_y_first",
        ),
        ({"op": "TRTBatchedNMS", "outputs": ("dets", "labels"), "domain": "mmdeploy"}, "mmdetection_plugin"),
    ],
)
def test_units_and_pixels_are_those_of_the_family_with_the_plugin(model, family):
    found = taken_out(model_of(**model))[1]
    assert found.name == family
    assert found.cluster_mode == 2


def test_axis_order_that_nothing_tells_is_asked_for():
    model = model_of(outputs=("num", "detection_boxes", "scores", "classes"), producer="")
    with pytest.raises(UnknownGraphError, match="may be nms_plugin or nms_plugin_y_first"):
        taken_out(model)


def test_family_of_the_graph_with_the_plugin_may_be_named():
    complete = completed(model_of(), pixels(), {}, "nms_in_graph")
    imported = import_onnx(complete.model, pixels())
    assert complete.recognised(imported.facts, "nms_in_graph", None).family.name == "nms_plugin"


def test_overlap_of_the_plugin_is_nvinfers():
    complete = taken_out(model_of())[2]
    family = family_of("nms_plugin", complete.nms_iou_threshold)
    assert class_keys(family, 0.25)["nms-iou-threshold"] == 0.65
    assert family_of("nms_plugin", None) is family_named("nms_plugin")


@pytest.mark.parametrize(("names", "columns"), [("abc", 3), ("abcd", 4)])
def test_background_in_front_is_left_out_where_it_has_no_name(names, columns):
    found = taken_out(model_of(attributes=EFFICIENT | {"background_class": 0}), names)[0]
    scores = found.alone[0]["scores_before_nms"][0]
    assert scores.shape == (24, columns)
    np.testing.assert_allclose(scores[:, -3:], wanted()[1][:, 1:], atol=1e-5)
    assert columns == 3 or not scores[:, 0].any()


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ({"inputs": 3}, "decodes boxes from anchors"),
        (
            {"op": "BatchedNMS_TRT", "attributes": BATCHED | {"shareLocation": 0}, "each": 4},
            "boxes of their own for each class",
        ),
        (
            {"op": "EfficientNMS_ONNX_TRT", "domain": ""},
            "operators EfficientNMS_ONNX_TRT are TensorRT plugins",
        ),
    ],
)
def test_what_no_standard_operators_stand_for_is_refused_with_the_way_out(model, reason, tmp_path):
    with pytest.raises(GraphError, match=f"{reason}.* export the model without the NMS in its graph"):
        taken_out(load_checked(graphs.write(model_of(**model), tmp_path / "model.onnx"))[0])


@pytest.mark.parametrize(
    ("op", "domain", "says"),
    [
        ("YoloLayer_TRT", "TRT", "YoloLayer_TRT are TensorRT plugins.* export the model without the NMS"),
        (
            "MultiscaleDeformableAttnPlugin_TRT",
            "TRT",
            "are TensorRT plugins.*with ONNX's own operators in their place",
        ),
    ],
)
def test_plugin_within_a_detector_is_not_told_to_be_an_nms(op, domain, says):
    with pytest.raises(GraphError, match=says):
        take_out_nms(graphs.with_op(op, domain), None)


def test_operator_that_onnx_has_not_is_named_with_the_way_out():
    with pytest.raises(
        GraphError, match=r"its operator DCNv2_2 is none of ONNX's own in opset 17: a plugin, or"
    ):
        check(graphs.with_op("DCNv2_2"))


def test_detections_that_are_computed_with_are_refused():
    model = model_of()
    model.graph.node.append(onnx.helper.make_node("Mul", ["det_scores", "det_scores"], ["squared"]))
    model.graph.output[2].name = "squared"
    with pytest.raises(GraphError, match="is followed by Mul"):
        taken_out(model)
