import numpy as np
import pytest

from dsbench.boxes.clustering import without_overlaps
from dsbench.boxes.kitti import Detection, KittiError
from dsbench.boxes.matching import TrimmedMean, as_rows, ious, ious_in_class, matches, precision_recall


def box(label="car", left=0.0, top=0.0, right=10.0, bottom=10.0, confidence=0.9):
    return Detection(label, left, top, right, bottom, confidence)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (box(), 1.0),
        (box(left=5, right=15), 1 / 3),
        (box(left=10, right=20), 0.0),
        (box(left=5, right=5), 0.0),
        (box(left=8, right=2), 0.0),
    ],
)
def test_overlap_is_shared_area_by_the_area_of_both(other, expected):
    corners = [as_rows([one], {})[:, 1:5] for one in (box(), other)]
    assert ious(*corners) == pytest.approx(np.array([[expected]]))


def test_boxes_without_area_do_not_overlap_themselves():
    point = np.zeros((1, 4))
    assert ious(point, point) == 0


def test_boxes_of_two_classes_do_not_overlap():
    ids = {}
    rows = as_rows([box(), box("dog")], ids)
    assert ious_in_class(rows, rows).tolist() == [[1, 0], [0, 1]]
    assert ids == {"car": 0, "dog": 1}


def test_the_first_row_takes_its_best_column_and_the_next_what_is_left():
    assert matches(np.array([[0.6, 0.9], [0.7, 0.95]]), 0.5) == {0: 1, 1: 0}
    assert matches(np.array([[0.6, 0.9], [0.4, 0.95]]), 0.5) == {0: 1}
    assert matches(np.zeros((2, 0)), 0.5) == matches(np.zeros((0, 2)), 0.5) == {}


def test_a_row_that_is_dropped_drops_no_other():
    chain = as_rows([box(left=left, right=left + 10.0) for left in (0.0, 4.0, 8.0)], {})
    assert without_overlaps(chain, 0.4)[:, 1].tolist() == [0, 8]
    assert without_overlaps(chain, 0.5)[:, 1].tolist() == [0, 4, 8]
    assert without_overlaps(chain[:0], 0.4).shape == (0, 6)


def test_perfect_detections_have_precision_and_recall_of_one():
    frames = {0: [box(), box("dog")], 1: []}
    result = precision_recall(frames, frames)
    assert (result.precision, result.recall, result.mean_iou) == (1.0, 1.0, 1.0)
    assert (result.true_positives, result.false_positives, result.false_negatives) == (2, 0, 0)


def test_missed_extra_and_misnamed_objects_are_counted_per_class():
    truth = {0: [box("car"), box("dog", left=100, right=110), box("cat", left=200, right=210)]}
    found = {0: [box("car", right=9.0), box("cat", left=100, right=110), box("car", left=50, right=60)]}
    result = precision_recall(found, truth)
    assert (result.true_positives, result.false_positives, result.false_negatives) == (1, 2, 2)
    assert result.mean_iou == pytest.approx(0.9)
    by_label = {row.label: row for row in result.per_class}
    assert (by_label["car"].precision, by_label["car"].recall) == (0.5, 1.0)
    assert (by_label["dog"].precision, by_label["dog"].recall) == (None, 0.0)
    assert (by_label["cat"].precision, by_label["cat"].recall) == (0.0, 0.0)


def test_second_detection_of_one_object_is_false_and_the_confident_one_matches():
    truth = {0: [box()]}
    found = {0: [box(right=6.0, confidence=0.5), box(right=9.0, confidence=0.8)]}
    result = precision_recall(found, truth)
    assert (result.true_positives, result.false_positives) == (1, 1)
    assert result.mean_iou == pytest.approx(0.9)


def test_overlap_below_the_bound_does_not_match():
    assert precision_recall({0: [box(right=4.0)]}, {0: [box()]}, iou=0.5).true_positives == 0
    assert precision_recall({0: [box(right=5.0)]}, {0: [box()]}, iou=0.5).true_positives == 1


def test_nothing_found_and_nothing_there_is_unknown():
    result = precision_recall({0: []}, {0: []})
    assert (result.precision, result.recall, result.mean_iou) == (None, None, None)


def test_truth_of_another_video_is_refused():
    with pytest.raises(KittiError, match="1 frames and the ground truth of 2"):
        precision_recall({0: []}, {0: [], 1: []})


def test_single_far_values_move_the_mean_and_not_the_trimmed_one():
    values = np.random.default_rng(3).normal(0.1, 0.3, 100)
    wild = values.copy()
    wild[:10] = 12.0
    assert wild.mean() > 1
    right, found = TrimmedMean.of(values), TrimmedMean.of(wild)
    assert abs(found.value - right.value) < 0.07 and found.error < 0.06
    assert TrimmedMean.of(wild + 0.5).value == pytest.approx(found.value + 0.5)


def test_the_error_of_a_trimmed_mean_is_how_far_it_scatters():
    random = np.random.default_rng(4)
    for draw in (random.normal, random.laplace):
        tries = [TrimmedMean.of(draw(size=60)) for _ in range(1000)]
        assert np.std([each.value for each in tries]) == pytest.approx(
            np.mean([each.error for each in tries]), rel=0.1
        )


def test_a_trimmed_mean_of_few_values():
    assert TrimmedMean.of(np.array([])) == TrimmedMean(None, None)
    assert TrimmedMean.of(np.array([2.0])) == TrimmedMean(2.0, None)
    pair = TrimmedMean.of(np.array([1.0, 3.0]))
    assert (pair.value, pair.error) == (2.0, pytest.approx(1.0))
    ten = TrimmedMean.of(np.array([9.0, 0, 3, 4, 5, 6, 1, 2, 7, 80]))
    assert ten.value == pytest.approx(4.5)
    # Winsorized: 2 2 2 3 4 5 6 7 7 7, of which the squares around the mean add up to 42.5.
    assert ten.error == pytest.approx(np.sqrt(42.5 / (6 * 5)))
