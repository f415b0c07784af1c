"""Average precision, IoU and shift are those that COCO defines, over all, by size and by class."""

from dataclasses import astuple, replace

import pytest

from dsbench.boxes.average_precision import accuracy
from dsbench.boxes.kitti import Detection


def box(left, top, side=40.0, label="car", confidence=1.0):
    return Detection(label, left, top, left + side, top + side, confidence)


NEAR, FAR = box(0, 0), box(500, 500)


def test_what_is_found_where_it_is_has_every_score():
    scores = accuracy({0: [NEAR, FAR], 1: []}, {0: [NEAR, FAR], 1: []}, (1, 1)).every
    assert (scores.objects, scores.matched) == (2, 2)
    assert astuple(scores)[3:8] == pytest.approx((1, 1, 1, 1, 1))
    assert (scores.shift_x_px, scores.shift_y_px, scores.error_x_px) == (0, 0, 0)


def test_a_better_scored_false_box_halves_the_precision():
    found = [replace(FAR, confidence=0.9), replace(NEAR, confidence=0.8)]
    assert accuracy({0: found}, {0: [NEAR]}, (1, 1)).every.ap == pytest.approx(0.5)


def test_a_missed_object_ends_the_curve_at_half_recall():
    assert accuracy({0: [NEAR]}, {0: [NEAR, FAR]}, (1, 1)).every.ap_50 == pytest.approx(51 / 101)


def test_a_box_beside_the_object_counts_up_to_its_own_overlap():
    # 40 x 34 of 40 x 46: an IoU of 0.739.
    scores = accuracy({0: [box(6, 0)]}, {0: [NEAR]}, (1, 1)).every
    assert (scores.ap_50, scores.ap_75, scores.ap_90) == (1.0, 0.0, 0.0)
    assert scores.ap == pytest.approx(0.5)
    assert scores.mean_iou == pytest.approx(34 / 46)


def test_the_shift_is_in_pixels_of_the_network():
    scores = accuracy({0: [box(2, -1)]}, {0: [NEAR]}, (4, 2)).every
    assert (scores.shift_x_px, scores.shift_y_px) == (0.5, -0.5)
    assert scores.error_x_px is None


def test_a_box_under_another_name_is_no_match_and_a_class_without_truth_does_not_count():
    measured = accuracy({0: [box(0, 0, label="van")]}, {0: [NEAR]}, (1, 1))
    assert (measured.every.ap, measured.every.matched) == (0, 0)
    assert [scores.name for scores in measured.classes] == ["car"]
    assert measured.every.mean_iou is None


def test_sizes_are_cocos_and_classes_are_those_of_the_truth():
    truth = {0: [box(0, 0, 10), box(100, 0, 50, "van"), box(300, 0, 200)]}
    found = {0: [box(0, 0, 10), box(300, 0, 200)]}
    measured = accuracy(found, truth, (1, 1))
    assert [(each.name, each.objects, each.ap) for each in measured.sizes] == [
        ("small", 1, pytest.approx(1)),
        ("medium", 1, 0),
        ("large", 1, pytest.approx(1)),
    ]
    assert [(each.name, each.ap) for each in measured.classes] == [("car", pytest.approx(1)), ("van", 0)]
    assert measured.every.ap == pytest.approx(0.5)


def test_more_boxes_than_cocos_hundred_count():
    crowd = {0: [box(50 * column, 50 * row) for column in range(15) for row in range(10)]}
    assert accuracy(crowd, crowd, (1, 1)).every.ap == pytest.approx(1)


@pytest.mark.parametrize("found", [[], [NEAR]])
def test_without_truth_nothing_is_told(found):
    assert accuracy({0: found}, {0: []}, (1, 1)).every.ap is None


def test_nothing_found_scores_zero():
    measured = accuracy({0: []}, {0: [NEAR]}, (1, 1))
    assert measured.every.ap == 0
    assert [scores.ap for scores in measured.sizes] == [None, 0, None]


def test_boxes_of_other_frames_are_refused():
    with pytest.raises(ValueError, match="of 1 frames and the truth of 2"):
        accuracy({0: []}, {0: [], 1: []}, (1, 1))


@pytest.mark.parametrize("order", [("van", "car", "bus"), ("car", "bus", "van"), ("bus", "car", "van")])
def test_each_class_has_its_own_precision_in_whichever_order_they_come(order):
    truth = {0: [box(100 * place, 0, label=label) for place, label in enumerate(order)]}
    # A car's box lies 6 px aside, an IoU of 0.739; a van is not found.
    found = {
        0: [
            replace(each, left=each.left + aside, right=each.right + aside)
            for each in truth[0]
            for aside in {"bus": (0,), "car": (6,), "van": ()}[each.label]
        ]
    }
    scores = {each.name: each.ap for each in accuracy(found, truth, (1, 1)).classes}
    assert scores == {"bus": pytest.approx(1), "car": pytest.approx(0.5), "van": 0}
