"""The parser of boxes beside the scores of all classes: both axis orders, the background, the best of many."""

from dataclasses import replace

import numpy as np
import pytest

from dsbench.families.declared import family_named
from dsbench.families.family import FrameTensors
from parser_calls import build, case, layer

SIZE = (640, 480)
TENSORS = {"boxes": "boxes", "scores": "scores"}


def compiled(name, sanitize=False, **settings):
    family = family_named(name)
    family = replace(family, settings=dict(family.settings) | settings)
    return family, build(family, TENSORS, sanitize=sanitize)


@pytest.fixture(scope="module")
def plain():
    return compiled("boxes_and_scores", sanitize=True, top_k=50)


@pytest.fixture(scope="module")
def ssd():
    return compiled("ssd_decoded")


@pytest.fixture(scope="module")
def ssd_with_named_background():
    return compiled("ssd_decoded", first_class=1)


def objects_of(parser, boxes, scores, thresholds):
    layers = [layer("boxes", np.ascontiguousarray(boxes)), layer("scores", np.ascontiguousarray(scores))]
    [(accepted, objects)], said = parser.run([case(layers, thresholds, SIZE)])
    assert accepted and said == []
    return objects


def random_frame(boxes, classes, dtype=np.float32, spread=8):
    random = np.random.default_rng(7)
    corners = random.uniform([0, 0, 310, 310], [300, 300, 610, 610], (boxes, 4))
    return corners.astype(dtype), (random.uniform(0, 1, (boxes, classes)) ** spread).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize(("boxes", "classes"), [(1, 2), (513, 3), (1300, 7)])
def test_both_axis_orders_give_the_best_objects_in_order(plain, boxes, classes, dtype):
    family, parser = plain
    corners, scores = random_frame(boxes, classes, dtype)
    thresholds = np.linspace(0.3, 0.6, classes).astype(np.float32)
    frame = FrameTensors({"boxes": corners.astype(float), "scores": scores.astype(float)}, *SIZE, thresholds)
    expected = family.head.decode(frame, family.all_settings())
    assert boxes < 2 or len(expected) == 50
    for written in (scores, scores.T):
        objects = objects_of(parser, corners, written, thresholds)
        np.testing.assert_array_equal(objects[:, 0], expected[:, 0])
        np.testing.assert_allclose(objects[:, 1:5], expected[:, 1:5], atol=1e-3)
        np.testing.assert_array_equal(objects[:, 5], expected[:, 5])


def test_one_box_may_be_several_classes_and_equal_scores_keep_their_order(plain):
    _, parser = plain
    boxes = np.array([[0, 0, 10, 10], [20, 20, 40, 40], [50, 50, 60, 60]], np.float32)
    scores = np.array([[0.6, 0.9], [0.6, 0.1], [0.2, 0.6]], np.float32)
    for written in (scores, scores.T):
        objects = objects_of(parser, boxes, written, [0.5, 0.5])
        assert objects[:, [0, 1]].tolist() == [[1, 0], [0, 0], [0, 20], [1, 50]]


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_scores_at_the_threshold_or_not_finite_are_no_object(plain, dtype):
    _, parser = plain
    bad = [0.5, 0.0, -1.0, np.nan, -np.nan, np.inf, -np.inf]
    scores = np.array([*bad, 0.75], dtype)[:, None] * np.ones((1, 2), dtype)
    boxes = np.tile(np.array([0, 0, 10, 10], dtype), (8, 1))
    for written in (scores, scores.T):
        assert objects_of(parser, boxes, written, [0.5, 1.0])[:, [0, 5]].tolist() == [[0, 0.75]]
        assert len(objects_of(parser, boxes, written, [np.nan, np.inf])) == 0


BACKGROUND = np.array([[0.95, 0.03, 0.02], [0.1, 0.2, 0.7], [0.05, 0.9, 0.05]], np.float32)
FRACTIONS = np.array([[0, 0, 1, 1], [0.5, 0.5, 1, 1], [0, 0, 0.25, 0.5]], np.float32)


def test_the_background_is_no_class(ssd):
    family, parser = ssd
    assert family.head.classes({"boxes": ["b", 3, 4], "scores": ["b", 3, 21]}, family.all_settings()) == 20
    # Two boxes of three columns: as many boxes as columns would be taken for one row for each box.
    for written in (BACKGROUND[:2], BACKGROUND[:2].T):
        objects = objects_of(parser, FRACTIONS[:2], written, [0.5, 0.5])
        np.testing.assert_allclose(objects, [[1, 320, 240, 320, 240, 0.7]], atol=1e-3)
    objects = objects_of(parser, FRACTIONS, BACKGROUND, [0.5, 0.5])
    assert objects[:, 0].tolist() == [0, 1] and objects[0, 1:5].tolist() == [0, 0, 160, 240]


def test_a_background_that_the_labels_name_keeps_the_other_ids(ssd_with_named_background):
    family, parser = ssd_with_named_background
    assert family.head.classes({"boxes": ["b", 3, 4], "scores": ["b", 9, 3]}, family.all_settings()) == 9
    assert objects_of(parser, FRACTIONS, BACKGROUND, [0.5, 0.5, 0.5])[:, 0].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("boxes", "scores", "classes", "reason"),
    [
        ((7, 4), (6, 3), 3, "'scores' is 6 x 3, expected an axis of 7 boxes"),
        ((7, 5), (7, 3), 3, "'boxes' is 7 x 5, expected 4 columns"),
        ((7, 4), (7, 3), 4, "scores has 3 classes, but num-detected-classes is 4"),
        ((7, 4), (3, 7), 7, "scores has 3 classes, but num-detected-classes is 7"),
    ],
)
def test_tensors_that_do_not_fit_are_refused_in_one_line(plain, boxes, scores, classes, reason):
    _, parser = plain
    layers = [layer("boxes", np.ones(boxes, "f4")), layer("scores", np.ones(scores, "f4"))]
    [(accepted, objects)], said = parser.run([case(layers, [0.5] * classes, SIZE)])
    assert not accepted and len(objects) == 0
    assert len(said) == 1 and reason in said[0]


def test_scores_of_background_alone_are_refused(ssd):
    _, parser = ssd
    layers = [layer("boxes", np.ones((7, 4), "f4")), layer("scores", np.ones((7, 1), "f4"))]
    [(accepted, _)], said = parser.run([case(layers, [0.5], SIZE)])
    assert not accepted and "one of over 1 columns" in said[0] and len(said) == 1
