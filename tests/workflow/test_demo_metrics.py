import numpy as np
import pytest
from metrics import Found, average_precision, hits, precision_recall

SQUARE, SHIFTED, FAR = [0, 0, 10, 10], [5, 0, 15, 10], [50, 50, 60, 60]


def found(labels, scores, boxes, true_labels, true_boxes):
    return Found(
        np.array(labels),
        np.array(scores, float),
        np.array(boxes, float).reshape(-1, 4),
        np.array(true_labels),
        np.array(true_boxes, float).reshape(-1, 4),
    )


def test_a_true_box_is_found_once_and_by_the_better_scored_detection():
    assert hits(np.array([SHIFTED, SQUARE, SQUARE, FAR]), np.array([SQUARE]), 0.3).tolist() == [
        True,
        False,
        False,
        False,
    ]


def test_perfect_detections_have_precision_one_at_every_recall():
    image = found([0, 0], [0.9, 0.8], [SQUARE, FAR], [0, 0], [SQUARE, FAR])
    assert average_precision([image], 0, 0.95) == pytest.approx(1.0)


def test_a_better_scored_false_box_halves_the_precision():
    image = found([0, 0], [0.9, 0.8], [FAR, SQUARE], [0], [SQUARE])
    assert average_precision([image], 0, 0.5) == pytest.approx(0.5)


def test_a_missed_box_ends_the_curve_at_half_recall():
    image = found([0], [0.9], [SQUARE], [0, 0], [SQUARE, FAR])
    assert average_precision([image], 0, 0.5) == pytest.approx(51 / 101)


def test_a_label_without_detections_scores_zero_and_without_truth_nan():
    image = found([], [], [], [0], [SQUARE])
    assert average_precision([image], 0, 0.5) == 0
    assert np.isnan(average_precision([image], 1, 0.5))


def test_a_box_with_another_label_does_not_match():
    image = found([1], [0.9], [SQUARE], [0], [SQUARE])
    assert precision_recall([image], 0.5, 0.5) == (0, 0)


def test_precision_and_recall_leave_out_low_scores():
    image = found([0, 0], [0.9, 0.4], [SQUARE, FAR], [0, 0], [SQUARE, FAR])
    assert precision_recall([image], 0.5, 0.5) == (1.0, 0.5)
