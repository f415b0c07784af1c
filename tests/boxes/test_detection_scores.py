import numpy as np
import pytest

from dsbench.boxes.clustering import without_overlaps
from dsbench.boxes.detection_scores import Closeness, Decoder, above, closeness, likeness
from dsbench.families.declared import families, family_named
from dsbench.pixels.reference_preprocessing import Picture

CAR = [0, 10, 10, 50, 50, 0.9]
SAME_CAR = [0, 10, 10, 50, 30, 0.8]
PERSON = [1, 10, 10, 50, 50, 0.9]


def rows(*boxes):
    return np.array(boxes, np.float64).reshape(-1, 6)


def test_closeness_is_the_mean_overlap_and_how_far_the_found_lie_aside():
    moved = [0, 14, 12, 54, 52, 0.4]
    found = closeness([rows(CAR, PERSON), rows()], [rows(moved), rows(CAR)], 0.5)
    shared = 36 * 38
    assert found.mean_overlap == pytest.approx(shared / (2 * 1600 - shared) / 2)
    assert found.shift == pytest.approx((4, 2))
    assert closeness([rows(CAR)], [rows()], 0.5) == Closeness(0.0, None)
    assert closeness([rows([*CAR[:5], 0.4])], [rows(CAR)], 0.5) == Closeness(None, None)


@pytest.mark.parametrize(
    ("wanted", "found", "expected"),
    [
        ([CAR], [CAR], 1.0),
        ([CAR], [SAME_CAR], 0.5 * 0.9),
        ([CAR], [PERSON], 0.0),
        ([CAR], [], 0.0),
        ([], [CAR], 0.0),
        ([CAR, PERSON], [CAR], 0.5),
        ([CAR], [CAR, CAR], 0.5),
        ([], [], None),
        # Just above the threshold here and just below it there is no difference.
        ([[*CAR[:5], 0.51]], [[*CAR[:5], 0.49]], 0.98),
        ([[*CAR[:5], 0.4]], [[*CAR[:5], 0.4]], None),
        ([CAR, [*CAR[:5], 0.4]], [CAR], 1.0),
    ],
)
def test_likeness_is_one_for_the_same_objects_and_less_for_every_difference(wanted, found, expected):
    assert likeness([rows(*wanted)], [rows(*found)], 0.5) == (
        expected if expected is None else pytest.approx(expected)
    )


def test_frames_are_matched_one_by_one():
    assert likeness([rows(CAR), rows()], [rows(), rows(CAR)], 0.5) == 0.0


def test_overlaps_are_dropped_in_each_class_alone_and_the_best_is_kept():
    kept = without_overlaps(rows(CAR, SAME_CAR, PERSON, [0, 60, 60, 70, 70, 0.6]), 0.4)
    assert kept[:, 0].tolist() == [0, 1, 0]
    assert kept[:, 5].tolist() == [0.9, 0.9, 0.6]
    assert len(without_overlaps(rows(CAR, SAME_CAR), 0.5)) == 2


def test_scores_above_the_threshold_are_counted_over_all_frames():
    assert above([rows(CAR, [*CAR[:5], 0.3]), rows(), rows(SAME_CAR)], 0.5).tolist() == [0.9, 0.8]


def test_decoder_gives_boxes_in_pixels_of_the_frame_down_to_half_the_threshold():
    family = family_named("rt_detr")
    decoder = Decoder(family, {"logits": "a", "boxes": "b"}, family.all_settings(), 1, 0.5)
    outputs = {
        "a": np.array([[[2.0], [-0.5], [-2.0]]], np.float32),
        "b": np.array([[[0.5, 0.25, 0.2, 0.1]] * 3], np.float32),
    }
    found = decoder.rows(outputs, (40, 40), Picture(0, 0, 40, 20), (100, 200))
    np.testing.assert_allclose(found[:, :5], [[0, 80, 40, 120, 60]] * 2, atol=1e-5)
    np.testing.assert_allclose(found[:, 5], [1 / (1 + np.exp(-2)), 1 / (1 + np.exp(0.5))])
    below = {**outputs, "b": outputs["b"] + np.float32([0, 0.5, 0, 0])}
    assert len(decoder.rows(below, (40, 40), Picture(0, 0, 40, 20), (100, 200))) == 0


@pytest.mark.parametrize("family", families(), ids=lambda family: family.name)
def test_objects_of_every_family_are_found_inside_the_frame(family):
    tensors = family.example(np.random.default_rng(1), 4, 320, 192)
    names = {role: f"tensor of {role}" for role in family.head.roles}
    decoder = Decoder(family, names, family.all_settings(), 4, family.default_threshold)
    outputs = {names[role]: np.asarray(values, np.float32)[None] for role, values in tensors.items()}
    found = decoder.rows(outputs, (192, 320), Picture(0, 6, 320, 180), (720, 1280))
    assert (found[:, 5] > family.default_threshold).any()
    assert (found[:, 5] > family.default_threshold / 2).all()
    assert (np.diff(found[:, 5]) <= 0).all()
    assert ((found[:, 1:5] >= 0) & (found[:, 1:5] <= [1280, 720, 1280, 720])).all()
