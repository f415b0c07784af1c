import pytest

from dsbench.gate import GateError, intersection_over_union, judge, precision_recall
from dsbench.kitti import Detection


def box(label="car", left=0.0, top=0.0, right=10.0, bottom=10.0, confidence=0.9):
    return Detection(label, left, top, right, bottom, confidence)


def test_gate_passes_at_the_required_ratio_and_counts():
    frames = {number: [box(), box("dog")] if number else [] for number in range(10)}
    assert judge(frames, 0.9, expected_frames=10) == {
        "frames": 10,
        "frames_with_detection": 9,
        "ratio": 0.9,
        "required_ratio": 0.9,
        "passed": True,
        "detections": 18,
        "per_class": [{"label": "car", "detections": 9}, {"label": "dog", "detections": 9}],
    }


@pytest.mark.parametrize(
    ("frames", "expected_frames", "reason"),
    [
        ({}, None, "has no frame; gie-kitti-output-dir"),
        ({0: [box()]}, 300, "has 1 frames, the video 300"),
        ({0: [], 1: []}, None, "None of 2 frames has a detection; most often net-scale-factor"),
        ({0: [box()], 1: []}, None, r"1 of 2 frames have a detection \(50.0%\), 90% are required"),
        ({0: [box(confidence=3.0)]}, None, "zero-initialise .* another object size"),
        ({0: [box(confidence=float("nan"))]}, None, "1 of 1 detections are no boxes"),
        ({0: [box(right=float("inf"))]}, None, "no boxes"),
        ({0: [box(left=20.0)]}, None, "no boxes"),
    ],
)
def test_gate_stops_with_what_was_found_and_the_likely_cause(frames, expected_frames, reason):
    with pytest.raises(GateError, match=reason) as error:
        judge(frames, 0.9, expected_frames)
    assert error.value.result["passed"] is False
    assert error.value.result["frames"] == len(frames)


def test_ratio_of_no_frame_is_unknown_not_zero():
    with pytest.raises(GateError) as error:
        judge({})
    assert error.value.result["ratio"] is None


def test_perfect_detections_have_precision_and_recall_of_one():
    frames = {0: [box(), box("dog")], 1: []}
    result = precision_recall(frames, frames)
    assert (result["precision"], result["recall"], result["mean_iou"]) == (1.0, 1.0, 1.0)
    assert (result["true_positives"], result["false_positives"], result["false_negatives"]) == (2, 0, 0)


def test_missed_extra_and_misnamed_objects_are_counted_per_class():
    truth = {0: [box("car"), box("dog", left=100, right=110), box("cat", left=200, right=210)]}
    found = {0: [box("car", right=9.0), box("cat", left=100, right=110), box("car", left=50, right=60)]}
    result = precision_recall(found, truth)
    assert (result["true_positives"], result["false_positives"], result["false_negatives"]) == (1, 2, 2)
    assert result["mean_iou"] == pytest.approx(0.9)
    by_label = {row["label"]: row for row in result["per_class"]}
    assert (by_label["car"]["precision"], by_label["car"]["recall"]) == (0.5, 1.0)
    assert (by_label["dog"]["precision"], by_label["dog"]["recall"]) == (None, 0.0)
    assert (by_label["cat"]["precision"], by_label["cat"]["recall"]) == (0.0, 0.0)


def test_second_detection_of_one_object_is_false_and_the_confident_one_matches():
    truth = {0: [box()]}
    found = {0: [box(right=6.0, confidence=0.5), box(right=9.0, confidence=0.8)]}
    result = precision_recall(found, truth)
    assert (result["true_positives"], result["false_positives"]) == (1, 1)
    assert result["mean_iou"] == pytest.approx(0.9)


def test_overlap_below_the_bound_does_not_match():
    assert precision_recall({0: [box(right=4.0)]}, {0: [box()]}, iou=0.5)["true_positives"] == 0
    assert precision_recall({0: [box(right=5.0)]}, {0: [box()]}, iou=0.5)["true_positives"] == 1


def test_nothing_found_and_nothing_there_is_unknown():
    result = precision_recall({0: []}, {0: []})
    assert (result["precision"], result["recall"], result["mean_iou"]) == (None, None, None)


def test_truth_of_another_video_is_refused():
    with pytest.raises(GateError, match="1 frames and the ground truth of 2"):
        precision_recall({0: []}, {0: [], 1: []})


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (box(), 1.0),
        (box(left=5, right=15), 1 / 3),
        (box(left=10, right=20), 0.0),
        (box(left=5, right=5), 0.0),
    ],
)
def test_intersection_over_union(other, expected):
    assert intersection_over_union(box(), other) == pytest.approx(expected)
