"""The compiled parser of RT-DETR, called through nvinfer's C++ interface, against a NumPy reference."""

import numpy as np
import pytest

from dsbench.deepstream.parser_build import Resized
from dsbench.families.declared import family_named
from dsbench.families.reference_decoders import EDGE_MARGIN
from parser_calls import FLOAT, INT32, Layer, build, case, layer

FAMILY = family_named("rt_detr")
TENSORS = {"logits": "logits", "boxes": "pred_boxes"}


@pytest.fixture(scope="module", params=[28, 24], ids=["28_bytes", "24_bytes"])
def parser(request):
    return build(FAMILY, TENSORS, request.param)


def frame(seed, queries, classes, dtype=np.float32, spread=2.0):
    random = np.random.default_rng(seed)
    logits = random.normal(-2.0, spread, (queries, classes)).astype(dtype)
    boxes = np.concatenate([random.uniform(0, 1, (queries, 2)), random.uniform(0, 0.6, (queries, 2))], axis=1)
    return [layer("logits", logits), layer("pred_boxes", boxes.astype(dtype))]


def reference(layers, thresholds, size=(640, 480)):
    """Sigmoid, best Q of the flattened scores, strict threshold, corners in pixels, clipped."""
    logits, boxes = (item.array.astype(np.float64) for item in layers)
    scores = 1 / (1 + np.exp(-logits.ravel()))
    order = np.argsort(-scores, kind="stable")[: len(logits)]
    query, label = np.divmod(order, logits.shape[1])
    kept = scores[order] > np.asarray(thresholds)[label]
    order, query, label = order[kept], query[kept], label[kept]
    corners = np.hstack([boxes[query, :2] - boxes[query, 2:] / 2, boxes[query, :2] + boxes[query, 2:] / 2])
    corners = np.clip(corners, 0, [1, 1, 1, 1 - EDGE_MARGIN]) * [*size, *size]
    extent = corners[:, 2:] - corners[:, :2]
    rows = np.column_stack([label, corners[:, :2], extent, scores[order]])
    return rows[(extent > 0).all(axis=1)]


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize(("queries", "classes"), [(300, 80), (100, 4), (1, 1), (7, 91)])
def test_objects_equal_the_reference_in_order(parser, queries, classes, dtype):
    frames = [frame(seed, queries, classes, dtype) for seed in range(5)]
    answers, said = parser.run([case(layers, [0.5] * classes) for layers in frames])
    assert said == []
    for layers, (accepted, objects) in zip(frames, answers, strict=True):
        expected = reference(layers, [0.5] * classes)
        assert accepted and len(objects) == len(expected)
        np.testing.assert_array_equal(objects[:, 0], expected[:, 0])
        np.testing.assert_allclose(objects[:, 1:5], expected[:, 1:5], atol=2e-4)
        np.testing.assert_allclose(objects[:, 5], expected[:, 5], atol=2e-7)


def test_never_more_objects_than_queries(parser):
    layers = frame(1, 50, 20, spread=4.0)
    [(accepted, objects)], _ = parser.run([case(layers, [0.01] * 20)])
    expected = reference(layers, [0.01] * 20)
    assert accepted and len(objects) == len(expected) <= 50
    np.testing.assert_array_equal(objects[:, 0], expected[:, 0])
    assert (np.diff(objects[:, 5]) <= 0).all()


def test_each_class_has_its_own_threshold(parser):
    layers = frame(2, 100, 3)
    thresholds = [0.2, 1.0, 0.6]
    [(_, objects)], _ = parser.run([case(layers, thresholds)])
    assert set(objects[:, 0]) == {0.0, 2.0}
    assert objects[objects[:, 0] == 0, 5].min() > 0.2
    assert objects[objects[:, 0] == 2, 5].min() > 0.6


def test_one_query_may_be_several_classes_and_equal_scores_keep_tensor_order(parser):
    logits = np.full((2, 3), 1.5, np.float32)
    boxes = np.array([[0.5, 0.5, 0.2, 0.2], [0.2, 0.2, 0.1, 0.1]], np.float32)
    [(_, objects)], _ = parser.run([case([layer("logits", logits), layer("pred_boxes", boxes)], [0.5] * 3)])
    assert objects[:, 0].tolist() == [0, 1]
    np.testing.assert_allclose(objects[:, 1:5], [[256, 192, 128, 96]] * 2, atol=1e-4)


def test_score_at_the_threshold_is_not_above_it(parser):
    logits = np.array([[0.0], [1e-6]], np.float32)
    boxes = np.full((2, 4), 0.5, np.float32)
    layers = [layer("logits", logits), layer("pred_boxes", boxes)]
    [(_, objects)], _ = parser.run([case(layers, [0.5])])
    assert len(objects) == 1


@pytest.mark.parametrize(("threshold", "kept"), [(0.0, 2), (1.0, 0), (-1.0, 2), (2.0, 0), (float("nan"), 0)])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_extreme_thresholds(parser, threshold, kept, dtype):
    layers = [layer("logits", np.array([[-9], [9]], dtype)), layer("pred_boxes", np.full((2, 4), 0.5, dtype))]
    [(accepted, objects)], _ = parser.run([case(layers, [threshold])])
    assert accepted and len(objects) == kept


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_nan_is_no_object_and_infinity_is_certain(parser, dtype):
    logits = np.array([[np.nan], [-np.nan], [np.inf], [-np.inf], [3.0]], dtype)
    layers = [layer("logits", logits), layer("pred_boxes", np.full((5, 4), 0.5, dtype))]
    [(_, objects)], _ = parser.run([case(layers, [0.5])])
    assert len(objects) == 2
    assert objects[0, 5] == 1.0


@pytest.mark.parametrize(
    "box",
    [
        (np.nan, 0.5, 0.1, 0.1),
        (0.5, np.inf, 0.1, 0.1),
        (0.5, 0.5, np.inf, 0.1),
        (0.5, 0.5, 0.0, 0.1),
        (0.5, 0.5, -0.2, 0.1),
        (1.5, 0.5, 0.2, 0.1),
    ],
)
def test_box_without_area_inside_the_network_is_left_out(parser, box):
    layers = [
        layer("logits", np.full((1, 1), 5, np.float32)),
        layer("pred_boxes", np.array([box], np.float32)),
    ]
    [(accepted, objects)], _ = parser.run([case(layers, [0.5])])
    assert accepted and len(objects) == 0


def test_boxes_are_clipped_to_the_network(parser):
    layers = [
        layer("logits", np.full((1, 1), 5, np.float32)),
        layer("pred_boxes", np.array([[0, 1, 1, 1]], "f4")),
    ]
    [(_, objects)], _ = parser.run([case(layers, [0.5])])
    np.testing.assert_allclose(objects[0, 1:5], [0, 240, 320, 240 - 480 * EDGE_MARGIN], atol=1e-4)


def test_boxes_are_moved_back_before_they_are_clipped():
    shifted = build(FAMILY, TENSORS, shift=(0.5, 0.25))
    layers = [
        layer("logits", np.full((3, 1), [[5], [4], [3]], np.float32)),
        layer("pred_boxes", np.array([[0.5, 0.5, 0.25, 0.5], [0, 0, 0.5, 0.5], [1, 1, 0.5, 0.5]], "f4")),
    ]
    [(_, objects)], _ = shifted.run([case(layers, [0.5])])
    inside, first, last = objects[:, 1:5]
    np.testing.assert_allclose(inside, [239.5, 119.75, 160, 240], atol=1e-4)
    np.testing.assert_allclose(first, [0, 0, 159.5, 119.75], atol=1e-4)
    np.testing.assert_allclose(last, [479.5, 359.75, 160.5, 120.25], atol=1e-3)


def test_boxes_end_where_a_letterboxed_picture_does():
    letterboxed = build(FAMILY, TENSORS, edges=(0, 60, 640, 420))
    layers = [
        layer("logits", np.full((3, 1), [[5], [4], [3]], np.float32)),
        layer("pred_boxes", np.array([[0.5, 0.5, 1, 1], [0.5, 0.1, 0.1, 0.2], [0.5, 0.95, 0.1, 0.1]], "f4")),
    ]
    [(_, objects)], _ = letterboxed.run([case(layers, [0.5])])
    whole, above = objects[:, 1:5]
    np.testing.assert_allclose(whole, [0, 60, 640, 360 - 480 * EDGE_MARGIN], atol=1e-4)
    np.testing.assert_allclose(above, [288, 60, 64, 36], atol=1e-4)


def test_boxes_of_a_model_that_resizes_itself_come_back_to_the_frame():
    """Its network of 640x480 shows frames of 1280x720 in rows 60 to 420."""
    own = Resized(640, 480, 2.0, 2.0)
    parser = build(FAMILY, TENSORS, edges=(0, 60, 640, 420), resized=own)
    layers = [
        layer("logits", np.full((2, 1), [[5], [4]], np.float32)),
        layer("pred_boxes", np.array([[0.5, 0.5, 0.25, 0.25], [0.5, 0.5, 1, 1]], "f4")),
    ]
    [(_, objects)], _ = parser.run([case(layers, [0.5], (1280, 720))])
    inside, whole = objects[:, 1:5]
    np.testing.assert_allclose(inside, [480, 240, 320, 240], atol=1e-3)
    np.testing.assert_allclose(whole, [0, 0, 1280, 720 * (1 - 4 / 3 * EDGE_MARGIN)], atol=1e-3)
    assert whole[3] < 720


def test_layers_are_found_by_name_in_any_order_among_others(parser):
    layers = frame(3, 20, 4)
    other = layer("encoder", np.zeros((2, 2), np.float32), dtype=INT32)
    nameless = Layer(None, np.zeros((2, 2), np.float32), FLOAT, (2, 2), 4)
    answers, _ = parser.run([case(layers, [0.5] * 4), case([nameless, other, *layers[::-1]], [0.5] * 4)])
    np.testing.assert_array_equal(answers[0][1], answers[1][1])


def disagreeing():
    logits, boxes = frame(4, 20, 4)
    return {
        "other queries": (case([logits, layer("pred_boxes", boxes.array[:19])], [0.5] * 4), "19 x 4"),
        "five columns": (case([logits, layer("pred_boxes", np.zeros((20, 5), "f4"))], [0.5] * 4), "20 x 5"),
        "fewer classes": (case([logits, boxes], [0.5] * 3), "num-detected-classes is 3"),
        "no thresholds": (case([logits, boxes], [], classes=4), "0 thresholds"),
        "no network": (case([logits, boxes], [0.5] * 4, size=(0, 480)), "0 x 480"),
        "other dtype": (case([layer("logits", logits.array, dtype=INT32), boxes], [0.5] * 4), "data type 3"),
    }


@pytest.mark.parametrize("name", disagreeing())
def test_refusal_says_what_was_found(parser, name):
    hostile, reason = disagreeing()[name]
    [(accepted, objects)], said = parser.run([hostile])
    assert not accepted and len(objects) == 0
    assert len(said) == 1 and said[0].startswith(FAMILY.head.parser_symbol) and reason in said[0]
