"""Families whose detections are final in the graph: told by names, shapes and one answer, and their tensors by role."""

from dataclasses import replace

import numpy as np
import pytest

from dsbench.families.decision_table import UnknownGraphError, family_facts, recognise
from dsbench.families.declared import family_named
from dsbench.families.graph_facts import GraphFacts

F, INT = "float32", "int32"
BOXES = np.array([[0.1, 0.2, 0.4, 0.9], [0.5, 0.5, 0.6, 0.7]])


def facts(outputs, classes=None, answers=None, producer="", size=640, inputs=("images",)):
    images = {name: (["batch", 3, size, size], F) for name in inputs}
    return GraphFacts(images, outputs, {}, classes, answers or {}, producer=producer)


def counted(names="num_dets det_boxes det_scores det_classes", count=2, boxes=None, producer=""):
    """Return a graph of four outputs and, with `boxes`, its answer of four rows of which `count` are in use."""
    number, box, score, label = names.split()
    outputs = {label: (["b", 4], INT), number: (["b", 1], INT), score: (["b", 4], F), box: (["b", 4, 4], F)}
    answers = {}
    if boxes is not None:
        unused = np.full((4 - len(boxes), 4), 9999.0)
        answers = {
            number: np.array([[count]], np.float32),
            box: np.vstack([boxes, unused])[None],
            score: np.zeros((1, 4)),
            label: np.zeros((1, 4)),
        }
    return facts(outputs, answers=answers, producer=producer)


TENSORFLOW = "num_detections detection_boxes detection_scores detection_classes"
COUNTED = [
    (counted(), "nms_in_graph"),
    (counted("num_dets boxes scores labels"), "nms_in_graph"),
    (counted(boxes=BOXES), "nms_in_graph_fractions"),
    (counted(boxes=BOXES * 640), "nms_in_graph"),
    (counted(TENSORFLOW, boxes=BOXES, producer="tf2onnx"), "nms_in_graph_y_first_fractions"),
    (counted(TENSORFLOW, boxes=BOXES * 640, producer="tf2onnx"), "nms_in_graph_y_first"),
    (counted(TENSORFLOW, boxes=BOXES * 640, producer="pytorch"), "nms_in_graph"),
]


@pytest.mark.parametrize(("seen", "family"), COUNTED)
def test_units_and_axis_order_of_counted_boxes_are_told_by_answers_and_names(seen, family):
    assert recognise(seen).family.name == family


def rows_of_6(row, metadata=None):
    outputs = {"output0": (["b", 300, 6], F)}
    answer = {"output0": np.tile(np.asarray(row, np.float32), (1, 300, 1))}
    return replace(facts(outputs, answers=answer), metadata=metadata or {})


def rows_scored(image, output, scores, metadata=None):
    rows = np.tile(np.float32([200, 100, 280, 190, 0, 3]), (300, 1))
    rows[:, 4] = scores
    seen = facts({output: (["b", 300, 6], F)}, answers={output: rows[None]}, inputs=(image,))
    return replace(seen, metadata=metadata or {})


@pytest.mark.parametrize(
    ("scores", "metadata", "family"),
    [
        (np.linspace(0.9, 0.1, 300), {}, "yolo_end_to_end"),
        (np.linspace(0.1, 0.9, 300), {}, "deepstream_yolo_queries"),
        (np.linspace(0.1, 0.9, 300), {"author": "Ultralytics"}, "yolo_end_to_end"),
    ],
)
def test_queries_in_no_order_are_not_letterboxed_as_yolos_sorted_rows_are(scores, metadata, family):
    seen = rows_scored("input", "output", scores, metadata)
    verdict = recognise(seen)
    assert verdict.family.name == family
    assert verdict.family.pixels.padding == ("centre" if family == "yolo_end_to_end" else "none")


def test_rows_in_no_order_of_another_exporter_are_asked_for():
    with pytest.raises(UnknownGraphError, match="may be deepstream_yolo_queries or yolo_end_to_end:"):
        recognise(rows_scored("images", "output0", np.linspace(0.1, 0.9, 300)))


RT_DETR = {"author": "Ultralytics", "task": "detect", "description": "Ultralytics RT-DETR-l model"}
OTHER_ROWS = {
    "a score for each of two classes": rows_of_6([0.5, 0.5, 0.2, 0.2, 0.1, 0.7], RT_DETR),
    "a score for each of two classes, no metadata": rows_of_6([0.5, 0.5, 0.2, 0.2, 0.1, 0.7]),
    "corners as fractions": rows_of_6([0.2, 0.2, 0.6, 0.7, 0.9, 3]),
    "centres in pixels": rows_of_6([300, 300, 90, 80, 0.9, 3]),
}


@pytest.mark.parametrize("case", OTHER_ROWS)
def test_rows_of_6_of_another_form_are_not_taken_for_final_ones(case):
    with pytest.raises(UnknownGraphError, match="no object detector of a known family"):
        recognise(OTHER_ROWS[case])


@pytest.mark.parametrize(
    ("seen", "families"),
    [
        (counted(boxes=BOXES, count=0), "nms_in_graph or nms_in_graph_fractions:"),
        (counted(TENSORFLOW, boxes=BOXES), "nms_in_graph_fractions or nms_in_graph_y_first_fractions:"),
        (
            facts({"output0": (["b", 300, 6], F)}, answers={"output0": np.zeros((1, 300, 6))}),
            "ultralytics_rt_detr or yolo_end_to_end:",
        ),
    ],
    ids=["no detection", "no exporter", "no row"],
)
def test_what_the_picture_leaves_open_is_asked_with_all_candidates(seen, families):
    with pytest.raises(UnknownGraphError, match=f"may be {families}"):
        recognise(seen)


def test_counted_outputs_are_found_by_role_also_behind_casts():
    outputs = {name: (dims, F) for name, (dims, _) in counted(TENSORFLOW).outputs.items()}
    told = family_facts(family_named("nms_in_graph_y_first"), facts(outputs))
    assert told.tensors == {
        "count": "num_detections",
        "boxes": "detection_boxes",
        "scores": "detection_scores",
        "labels": "detection_classes",
    }
    assert told.settings == {"boxes": "corners_y_first", "fractions": False}
    assert told.class_count is None


def test_the_nms_plugin_with_rows_is_told_from_the_one_with_four_outputs():
    rows = {"NMS": (["b", 1, 200, 7], F), "NMS_1": (["b", 1, 1, 1], INT)}
    assert recognise(facts(rows)).family.name == "tao_nms_rows"
    four = {f"BatchedNMS{suffix}": (["b", 200], F) for suffix in ("", "_1", "_2", "_3")}
    verdict = recognise(facts(four))
    assert verdict.family.name == "tao_nms"
    assert family_facts(verdict.family, facts(four)).tensors["labels"] == "BatchedNMS_3"


def test_the_one_output_is_the_rows_tensor():
    seen = facts({"output": (["b", 8400, 6], F)}, inputs=("input",))
    verdict = recognise(seen)
    assert verdict.family.name == "deepstream_yolo_rows"
    assert family_facts(verdict.family, seen).tensors == {"rows": "output"}


def pair(scores, boxes=(100, 4), names=("boxes", "scores"), classes=None, answers=None):
    outputs = {names[0]: (["b", *boxes], F), names[1]: (["b", *scores], F)}
    return facts(outputs, classes=classes, answers=answers)


def answers(boxes, scores):
    return {"boxes": np.asarray(boxes)[None], "scores": np.asarray(scores)[None]}


MANY = np.tile(BOXES, (50, 1))
SOFTMAX = np.tile([0.9, 0.06, 0.04], (100, 1))
PAIRS = [
    (pair((80, 100)), "pp_yoloe", 80),
    (pair((100, 80), answers=answers(MANY, np.zeros((100, 80)))), "boxes_and_scores_fractions", 80),
    (pair((100, 21), classes=20), "ssd_decoded_pixels", 20),
    (pair((100, 3), answers=answers(MANY, SOFTMAX)), "ssd_decoded", 2),
    (pair((3, 100), answers=answers(MANY * 640, SOFTMAX.T)), "ssd_decoded_pixels", 2),
    (pair((100, 3), classes=3, answers=answers(MANY, SOFTMAX)), "ssd_decoded", 3),
]


@pytest.mark.parametrize(("seen", "family", "classes"), PAIRS)
def test_boxes_beside_scores_are_told_by_axes_classes_and_answers(seen, family, classes):
    verdict = recognise(seen)
    assert verdict.family.name == family
    told = family_facts(verdict.family, seen)
    assert told.class_count == classes
    assert told.tensors["boxes"] in ("boxes", "pred_boxes")


@pytest.mark.parametrize("columns", [SOFTMAX[:, ::-1], SOFTMAX[:, ::-1].T])
def test_softmax_whose_background_is_last_is_refused_by_name(columns):
    seen = pair(columns.shape, classes=2, answers=answers(MANY, columns))
    with pytest.raises(
        UnknownGraphError, match=r"last column is the background.* export it with the background first"
    ):
        recognise(seen)


def test_names_are_a_column_fewer_only_where_a_softmax_proves_the_background():
    scores = np.tile([0.001, 0.06, 0.04], (100, 1))
    seen = pair((100, 3), classes=2, answers=answers(MANY, scores))
    verdict = recognise(seen)
    assert verdict.family.name == "boxes_and_scores_fractions"
    assert family_facts(verdict.family, seen).class_count == 3


@pytest.mark.parametrize(
    ("seen", "classes"),
    [
        (pair((100, 80)), 80),
        (pair((100, 4), names=("pred_scores", "pred_boxes")), 4),
        (pair((100, 3), classes=3, answers=answers(MANY * 640, SOFTMAX * 0.9)), 3),
    ],
)
def test_families_with_the_same_tensors_and_other_pixels_are_asked_for(seen, classes):
    with pytest.raises(
        UnknownGraphError, match="may be boxes_and_scores or damo_yolo or rtmdet or yolo_nas:"
    ):
        recognise(seen)
    for family in ("boxes_and_scores", "damo_yolo", "rtmdet", "yolo_nas"):
        told = family_facts(recognise(seen, family).family, seen)
        assert told.class_count == classes
        assert told.tensors["boxes"] in ("boxes", "pred_boxes")


CENTRES = np.tile([[0.5, 0.6, 0.1, 0.2]], (100, 1))
LOGITS = np.full((100, 80), -4.0)


@pytest.mark.parametrize(
    ("boxes", "scores"),
    [
        (CENTRES, np.zeros((100, 80))),
        (MANY, LOGITS),
        (CENTRES * 640, np.zeros((100, 80))),
        (MANY * 640, LOGITS),
    ],
    ids=["centres as fractions", "logits, fractions", "centres in pixels", "logits, pixels"],
)
def test_boxes_that_are_no_corners_and_scores_that_are_logits_are_no_pair(boxes, scores):
    with pytest.raises(UnknownGraphError, match="no object detector of a known family"):
        recognise(pair((100, 80), answers=answers(boxes, scores)))


@pytest.mark.parametrize(
    ("family", "padding"), [("yolo_nas", "centre"), ("mmdetection", "corner"), ("yolox", "corner")]
)
def test_frames_are_padded_on_the_side_that_the_family_is_trained_with(family, padding):
    assert family_named(family).pixels.padding == padding


def test_labels_that_name_the_background_keep_their_ids():
    named, unnamed = (
        pair((100, 3), classes=classes, answers=answers(MANY, SOFTMAX)) for classes in (3, None)
    )
    assert family_facts(recognise(named).family, named).settings["first_class"] == 1
    assert family_facts(recognise(unnamed).family, unnamed).settings["first_class"] == 0


def test_scores_of_other_boxes_are_no_pair():
    with pytest.raises(UnknownGraphError, match="no object detector of a known family"):
        recognise(pair((99, 80)))
    with pytest.raises(UnknownGraphError, match="has not the tensors of boxes_and_scores: boxes, scores"):
        family_facts(family_named("boxes_and_scores"), pair((99, 80)))


def test_one_box_that_reaches_far_does_not_turn_fractions_into_pixels():
    for reach, expected in ((1.4, "ssd_decoded"), (1.58, "ssd_decoded"), (3.0, "ssd_decoded")):
        boxes = np.vstack([MANY[:-1], [0.2, 0.1, reach, 0.9]])
        assert recognise(pair((100, 3), answers=answers(boxes, SOFTMAX))).family.name == expected


def test_boxes_of_which_nothing_tells_the_units_are_asked_for():
    with pytest.raises(UnknownGraphError, match="may be ssd_decoded or ssd_decoded_pixels:"):
        recognise(pair((100, 3), answers=answers(np.zeros((100, 4)), SOFTMAX)))
    with pytest.raises(UnknownGraphError, match="may be boxes_and_scores_fractions or pp_yoloe:"):
        recognise(pair((80, 100), answers=answers(np.full((100, 4), -1.0), np.zeros((80, 100)))))
    corner = np.tile([1.0, 1.0, 3.0, 4.0], (100, 1))
    with pytest.raises(UnknownGraphError, match="may be ssd_decoded or ssd_decoded_pixels:"):
        recognise(pair((100, 3), answers=answers(corner, SOFTMAX)))


def test_background_scores_do_not_choose_the_boxes_whose_units_count():
    boxes = np.vstack([MANY, MANY * 640])
    scores = np.vstack([np.tile([0.9, 0.06, 0.04], (100, 1)), np.tile([0.2, 0.7, 0.1], (100, 1))])
    assert (
        recognise(pair((200, 3), (200, 4), answers=answers(boxes, scores))).family.name
        == "ssd_decoded_pixels"
    )


def three(boxes, scores, count, classes=2.0):
    """Return boxes, scores, classes of `count` rows each, as DeepStream-Yolo's earlier scripts name them."""
    shapes = {"boxes": [count, 4], "scores": [count, 1], "classes": [count, 1]}
    given = {"boxes": boxes, "scores": np.reshape(scores, (-1, 1)), "classes": [[classes]]}
    answer = {name: np.resize(np.float32(array), shapes[name])[None] for name, array in given.items()}
    outputs = {name: (["b", *dims], F) for name, dims in shapes.items()}
    return facts(outputs, answers=answer, inputs=("input",))


PIXEL_CORNERS, PIXEL_CENTRES = BOXES * 640, CENTRES * 640
FALLING = np.linspace(0.9, 0, 300)
THREE = [
    (three(PIXEL_CORNERS, [0.1, 0.9], 8400), "deepstream_yolo_outputs", 2),
    (three(PIXEL_CENTRES, [0.1, 0.9], 25200), "deepstream_yolo_outputs_centres", 2),
    (three(PIXEL_CORNERS, [0.1, 0.9], 300), "deepstream_yolo_outputs_queries", 4),
    (three(PIXEL_CENTRES, [0.1, 0.9], 300), "deepstream_yolo_outputs_queries_centres", 4),
    (three(PIXEL_CORNERS, FALLING, 300), "deepstream_yolo_outputs_end_to_end", 4),
    (three(PIXEL_CENTRES, FALLING, 300), "deepstream_yolo_outputs_end_to_end_centres", 4),
]


@pytest.mark.parametrize(("seen", "family", "cluster_mode"), THREE)
def test_three_outputs_of_columns_are_told_by_rows_boxes_and_order(seen, family, cluster_mode):
    found = recognise(seen).family
    assert (found.name, found.cluster_mode) == (family, cluster_mode)
    assert family_facts(found, seen).tensors == {
        "labels": "classes",
        "boxes": "boxes",
        "scores": "scores",
    }


@pytest.mark.parametrize(
    "seen",
    [
        three(PIXEL_CORNERS, [1.5, -3.0], 8400),
        three(PIXEL_CORNERS, [0.1, 0.9], 8400, classes=0.5),
        three(BOXES, [0.1, 0.9], 8400),
    ],
    ids=["logits", "classes with fractions", "boxes as fractions"],
)
def test_three_outputs_of_other_numbers_are_not_told(seen):
    with pytest.raises(UnknownGraphError, match="no object detector of a known family"):
        recognise(seen)


def test_three_outputs_without_a_box_may_be_written_either_way():
    with pytest.raises(
        UnknownGraphError, match="may be deepstream_yolo_outputs or deepstream_yolo_outputs_centres:"
    ):
        recognise(three(np.zeros((1, 4)), [0.0], 8400))
