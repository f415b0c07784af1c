"""Dense heads by their graph: which family, where the probe decides, and where the user is asked."""

import numpy as np
import pytest

from dsbench.families.decision_table import UnknownGraphError, family_facts, recognise
from dsbench.families.declared import family_named
from dsbench.families.family import FrameTensors
from dsbench.families.graph_facts import GraphFacts
from dsbench.families.graph_signs import ends_in_angle, rows_are_final
from dsbench.families.reference_decoders import classes_beside, grid_cells

SIDE = 640
CELLS = 8400
P6_CELLS = 8500
BIN_CELLS = 8500


def facts(dims, image="images", output="output0", classes=None, answer=None, metadata=None):
    answers = {} if answer is None else {output: np.asarray(answer, np.float32)[None]}
    inputs = {image: (["batch", 3, SIDE, SIDE], "float32")}
    return GraphFacts(inputs, {output: (["batch", *dims], "float32")}, metadata or {}, classes, answers)


def answer(count, columns, centres=300.0, objectness=0.5, last=0.5):
    rows = np.full((count, columns), 0.25)
    rows[:, :4], rows[:, 4], rows[:, -1] = centres, objectness, last
    return rows


TOLD = {
    "one class, three anchors, by the exporter's input": (facts([3 * CELLS, 6]), "yolo_v5"),
    "one class, three anchors, by a fraction": (
        facts([3 * CELLS, 6], "x", answer=answer(3 * CELLS, 6)),
        "yolo_v5",
    ),
    "one class, three anchors, stride 64": (facts([3 * P6_CELLS, 6]), "yolo_v5"),
    "final rows by whole numbers": (
        facts([3 * CELLS, 6], "x", answer=answer(3 * CELLS, 6, last=2.0)),
        "deepstream_yolo_rows",
    ),
    "final rows by names": (facts([P6_CELLS * 3, 6], "input", "output"), "deepstream_yolo_rows"),
    "one class, pixels": (facts([CELLS, 6], answer=answer(CELLS, 6)), "yolox"),
    "one class, cells": (facts([CELLS, 6], answer=answer(CELLS, 6, centres=1.5)), "yolox_raw"),
    "one class, objectness 1": (facts([CELLS, 6], answer=answer(CELLS, 6, objectness=1.0)), "yolo_v6"),
    "two classes, no objectness": (
        facts([CELLS, 6], classes=2, answer=answer(CELLS, 6)),
        "yolo_v8_transposed",
    ),
    "80 classes of COCO, no objectness": (
        facts([CELLS, 84], answer=answer(CELLS, 84)),
        "yolo_v8_transposed",
    ),
    "79 classes behind an objectness": (
        facts([CELLS, 84], classes=79, answer=answer(CELLS, 84)),
        "yolox",
    ),
    "two channels of classes": (facts([6, CELLS]), "yolo_v8"),
    "names in the metadata": (facts([7, 99], classes=3, metadata={"author": "Ultralytics"}), "yolo_v8"),
    "one score for each cell, not run": (facts([CELLS, 5]), "yolo_v8_transposed"),
    "one score for each cell": (facts([CELLS, 5], answer=answer(CELLS, 5)), "yolo_v8_transposed"),
    "an objectness and no class": (
        facts([3 * CELLS, 5], classes=1, answer=answer(3 * CELLS, 5)),
        "yolo_v8_transposed",
    ),
    "one channel of scores": (facts([5, CELLS], answer=answer(CELLS, 5).T), "yolo_v8"),
    "bins": (facts([BIN_CELLS, 112], "data"), "nanodet"),
    "bins, Paddle's input": (facts([BIN_CELLS, 112], "image"), "picodet"),
}
ASKED = {
    "three anchors, not run": (facts([3 * CELLS, 6], "x"), "deepstream_yolo_rows or yolo_v5"),
    "one anchor, not run": (
        facts([CELLS, 6], "x"),
        "deepstream_yolo_rows or yolo_v6 or yolox or yolox_raw",
    ),
    "objectness, not run": (facts([CELLS, 85]), "yolo_v6 or yolox or yolox_raw"),
}


@pytest.mark.parametrize("case", TOLD)
def test_family_is_told(case):
    seen, family = TOLD[case]
    assert recognise(seen).family.name == family


NOT_DECODED = {
    "distances as bins before the classes": facts([144, CELLS], answer=np.full((144, CELLS), -1.5)),
    "logits behind the box": facts(
        [84, CELLS], answer=np.vstack([[[99.0] * CELLS] * 4, [[-7.0] * CELLS] * 80])
    ),
    "one score beside offsets in the cell": facts([CELLS, 5], answer=answer(CELLS, 5, centres=1.5)),
    "one logit beside the box": facts([CELLS, 5], answer=answer(CELLS, 5, last=-4.0)),
    "bins on three strides": facts([CELLS, 112], answer=np.full((CELLS, 112), -1.5)),
    "face landmarks behind the objectness": facts([3 * CELLS, 16], answer=np.full((3 * CELLS, 16), 120.0)),
    "logits before the bins": facts([BIN_CELLS, 112], answer=np.full((BIN_CELLS, 112), -4.0)),
}


@pytest.mark.parametrize("case", NOT_DECODED)
def test_numbers_that_are_no_scores_are_refused(case):
    with pytest.raises(UnknownGraphError, match="has numbers beyond 0 to 1"):
        recognise(NOT_DECODED[case])


def oriented(angles, classes=None, score=0.01, as_rows=False):
    """Return 3 classes and an angle behind the box of each cell; the first cell is an object."""
    numbers = np.vstack([np.full((4, CELLS), 300.0), np.full((3, CELLS), score), np.resize(angles, CELLS)])
    numbers[4, 0] = 0.9
    numbers = numbers.T if as_rows else numbers
    return facts(list(numbers.shape), classes=classes, answer=numbers)


LE90, TO_HALF_PI, CONSTANT = [-0.7, 0.1, 2.2], [0.1, 0.8, 1.5], [0.785]


@pytest.mark.parametrize("as_rows", [False, True])
@pytest.mark.parametrize("angles", [LE90, TO_HALF_PI, CONSTANT])
def test_an_angle_is_no_class(angles, as_rows):
    with pytest.raises(UnknownGraphError, match="has an angle behind the scores: its boxes are oriented"):
        recognise(oriented(angles, as_rows=as_rows))


@pytest.mark.parametrize(
    "seen",
    [
        oriented(CONSTANT, classes=4),
        oriented([0.01, 0.02, 0.9]),
        oriented([0.3, 0.8, 0.5], score=0.3),
    ],
    ids=["a class with a name", "a class that is seldom there", "all classes as large"],
)
def test_a_class_is_no_angle(seen):
    assert recognise(seen).family.name == "yolo_v8"


def test_the_score_of_an_only_class_behind_an_objectness_is_no_angle():
    numbers = np.vstack([np.full((4, CELLS), 0.4), np.full((1, CELLS), 1e-4), np.full((1, CELLS), 0.6)])
    numbers[:, 0] = [0.1, 0.2, 1.4, 1.3, 0.9, 0.8]
    assert ends_in_angle(numbers[4:], None) and not ends_in_angle(numbers[4:], None, has_rows=True)


def test_whole_numbers_behind_the_score_are_no_angle():
    rows = answer(CELLS, 6)
    rows[:, 5] = np.resize([0, 1, 2, 3], CELLS)
    assert recognise(facts([CELLS, 6], "x", answer=rows)).family.name == "deepstream_yolo_rows"


@pytest.mark.parametrize("case", ASKED)
def test_user_is_asked_where_nothing_tells(case):
    seen, families = ASKED[case]
    with pytest.raises(UnknownGraphError, match=f"may be {families}: "):
        recognise(seen)


@pytest.mark.parametrize(
    ("seen", "final"),
    [
        (facts([CELLS, 6], "input", "output", answer=answer(CELLS, 6, last=0.5)), True),
        (facts([CELLS, 6], "images", "output", answer=answer(CELLS, 6, last=3.0)), False),
        (facts([CELLS, 6], "x", answer=answer(CELLS, 6, last=3.0)), True),
        (facts([CELLS, 6], "x", answer=answer(CELLS, 6, last=0.5)), False),
        (facts([CELLS, 6], "x"), None),
    ],
)
def test_names_tell_final_rows_before_the_answers_do(seen, final):
    assert rows_are_final(seen) is final


def test_grid_cells_round_up():
    cells = [[column, row, 8] for row in range(2) for column in range(3)] + [[0, 0, 16], [1, 0, 16]]
    assert grid_cells(20, 9, (8, 16)).tolist() == cells


def test_classes_of_a_symbolic_axis_are_not_told():
    assert classes_beside(["batch", "anchors", 9], 1, 4) is None
    assert classes_beside(["batch", "anchors", 9], 2, 4) == 5


def test_box_without_classes_is_no_detector():
    with pytest.raises(UnknownGraphError, match="no object detector of a known family"):
        recognise(facts([4, CELLS]))


@pytest.mark.parametrize(
    ("family", "dims", "classes"),
    [
        ("yolo_v8", [84, CELLS], 80),
        ("yolo_v8_transposed", [CELLS, 5], 1),
        ("yolo_v5", [3 * CELLS, 85], 80),
        ("yolo_v6", [CELLS, 6], 1),
        ("yolox", [CELLS, 85], 80),
        ("yolox_raw", [CELLS, 85], 80),
        ("nanodet", [BIN_CELLS, 112], 80),
        ("picodet", [BIN_CELLS, 33], 1),
    ],
)
def test_number_of_classes_is_read_from_the_tensor(family, dims, classes):
    told = family_facts(family_named(family), facts(dims))
    assert told.class_count == classes
    assert list(told.tensors.values()) == ["output0"]


@pytest.mark.parametrize(
    ("family", "dims"),
    [
        ("yolo_v8", [4, CELLS]),
        ("yolo_v5", [CELLS, 5]),
        ("nanodet", [BIN_CELLS, 32]),
        ("yolox_raw", [CELLS]),
        ("yolo_v4", [CELLS, 80]),
    ],
)
def test_family_named_for_another_tensor_is_refused(family, dims):
    with pytest.raises(UnknownGraphError, match=f"has not the tensors of {family}"):
        family_facts(family_named(family), facts(dims))


def test_yolov4_needs_boxes_with_an_axis_of_one():
    def outputs(*boxes):
        found = {"boxes": (["b", *boxes], "float32"), "confs": (["b", 9, 3], "float32")}
        return GraphFacts({"input": (["b", 3, 32, 32], "float32")}, found, {}, None, {})

    assert family_facts(family_named("yolo_v4"), outputs(9, 1, 4)).class_count == 3
    with pytest.raises(
        UnknownGraphError, match=r"has not the tensors of yolo_v4: .*; correct family: in the"
    ):
        family_facts(family_named("yolo_v4"), outputs(9, 3, 4))


def test_yolov5_with_raw_heads_beside_its_rows_is_read_by_its_rows():
    outputs = {"output": (["b", 3 * CELLS, 85], "float32")}
    outputs |= {f"head{n}": (["b", 3, n, n, 85], "float32") for n in (80, 40, 20)}
    seen = GraphFacts({"images": (["b", 3, SIDE, SIDE], "float32")}, outputs, {}, None, {})
    verdict = recognise(seen)
    assert verdict.family.name == "yolo_v5"
    assert family_facts(verdict.family, seen).tensors == {"rows": "output"}


def test_reference_places_cells_stride_by_stride_and_line_by_line():
    """A network of 64 x 32: 8 x 4 cells of stride 8, then 4 x 2 of 16, then 2 x 1 of 32."""
    rows = np.zeros((42, 6))
    rows[[11, 38, 41], 4:] = [[0.9, 1.0], [0.8, 1.0], [0.7, 1.0]]
    frame = FrameTensors({"rows": rows}, 64, 32, np.array([0.25], np.float32))
    found = family_named("yolox_raw").head.decode(frame, {})
    # Centres (3, 1) x 8, (2, 1) x 16, (1, 0) x 32; sides are exp(0) x stride, cut at the network's edge.
    expected = [[0, 20, 4, 8, 8, 0.9], [0, 24, 8, 16, 16, 0.8], [0, 16, 0, 32, 16, 0.7]]
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize(("family", "offset"), [("nanodet", 0.0), ("picodet", 0.5)])
def test_reference_measures_distances_from_the_family_s_point_of_the_cell(family, offset):
    """A network of 60 x 40 has 8 x 5 cells of stride 8, 4 x 3 of 16, 2 x 2 of 32 and 1 of 64."""
    rows = np.full((57, 33), -99.0)
    # Column 1, line 1 of stride 16; left, top, right, bottom are the bins 1, 0, 2 and 3.
    rows[45, [0, 1 + 1, 9 + 0, 17 + 2, 25 + 3]] = [0.9, 99, 99, 99, 99]
    frame = FrameTensors({"rows": rows}, 60, 40, np.array([0.25], np.float32))
    family = family_named(family)
    point = (1 + offset) * 16
    found = family.head.decode(frame, family.all_settings())
    right = min(point + 2 * 16, 60)
    np.testing.assert_allclose(
        found, [[0, point - 16, point, right - (point - 16), 40 - point, 0.9]], rtol=1e-5
    )
