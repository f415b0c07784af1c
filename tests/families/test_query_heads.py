"""What one query becomes in each query head: background, equal scores, several classes, NaN, and NVIDIA's cases."""

import numpy as np
import pytest

from dsbench.families.declared import family_named
from parser_calls import build, case, layer

TENSORS = {"logits": "pred_logits", "boxes": "pred_boxes"}
DTYPES = [np.float32, np.float16]
FAMILIES = ["tao_detr", "tao_rt_detr", "detr", "owlvit"]


@pytest.fixture(scope="module")
def parsers():
    return {name: build(family_named(name), TENSORS) for name in FAMILIES}


def detected(parser, logits, dtype=np.float32, thresholds=0.5, background=0):
    """Return the objects of these logits; query q's box is 64 pixels wide and begins at x = 8q."""
    logits = np.asarray(logits, dtype)
    queries, columns = logits.shape
    boxes = np.tile([0.0, 0.5, 0.1, 0.25], (queries, 1))
    boxes[:, 0] = 0.05 + np.arange(queries) / 80
    limits = np.broadcast_to(thresholds, columns - background)
    layers = [layer("pred_logits", logits), layer("pred_boxes", boxes.astype(dtype))]
    [(accepted, objects)], said = parser.run([case(layers, limits)])
    assert accepted and said == []
    return objects


def queries_and_classes(objects):
    return [(round(row[1] / 8), int(row[0])) for row in objects]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("columns", [2, 4, 7, 91])
def test_logits_are_read_with_as_many_columns_as_there_are_classes(parsers, columns, dtype):
    logits = np.full((6, columns), -5.0)
    logits[4, columns - 1] = 2.0
    logits[1, 1] = 1.0
    for name in ("tao_detr", "tao_rt_detr"):
        found = queries_and_classes(detected(parsers[name], logits, dtype))
        assert found == [(4, columns - 1), (1, 1)]


@pytest.mark.parametrize("dtype", DTYPES)
def test_class_0_is_background_for_the_one_and_a_class_for_the_other(parsers, dtype):
    logits = [[3.0, 1.0], [2.0, -5.0]]
    assert queries_and_classes(detected(parsers["tao_detr"], logits, dtype)) == [(0, 1)]
    assert queries_and_classes(detected(parsers["tao_rt_detr"], logits, dtype)) == [(0, 0), (1, 0)]


def test_background_takes_no_place_among_the_best(parsers):
    logits = np.array([[9.0, 1.0, -5.0], [8.0, -5.0, 2.0]])
    assert queries_and_classes(detected(parsers["tao_detr"], logits)) == [(1, 2), (0, 1)]


@pytest.mark.parametrize("name", FAMILIES)
def test_equal_scores_are_all_kept_in_the_order_of_the_tensor(parsers, name):
    logits = np.full((60, 3), -9.0)
    logits[:, 1] = 4.0
    found = detected(parsers[name], logits, background=name == "detr")
    assert queries_and_classes(found) == [(query, 1) for query in range(60)]


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("classes", [2, 5])
def test_class_without_a_threshold_is_refused_not_looked_up(parsers, name, classes):
    logits = layer("pred_logits", np.full((3, 4), 9.0, np.float32))
    boxes = layer("pred_boxes", np.full((3, 4), 0.5, np.float32))
    [(accepted, objects)], said = parsers[name].run([case([logits, boxes], [0.5] * classes)])
    assert not accepted and len(objects) == 0 and len(said) == 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_softmax_never_reports_the_background_and_counts_it(parsers, dtype):
    logits = np.log([[0.2, 0.2, 0.6], [0.7, 0.1, 0.2], [0.45, 0.15, 0.4]])
    objects = detected(parsers["detr"], logits, dtype, background=1)
    assert queries_and_classes(objects) == [(1, 0)]
    assert objects[0, 5] == pytest.approx(0.7, abs=1e-3)


def test_softmax_without_a_majority_is_no_object_though_it_beats_the_background(parsers):
    logits = np.log([[0.4, 0.35, 0.25]])
    assert len(detected(parsers["detr"], logits, background=1)) == 0
    assert len(detected(parsers["detr"], logits, thresholds=0.39, background=1)) == 1
    assert len(detected(parsers["detr"], logits, thresholds=0.41, background=1)) == 0


@pytest.mark.parametrize(("name", "background"), [("detr", 1), ("owlvit", 0)])
def test_one_object_for_each_query_kept_by_the_threshold_of_its_best_class(parsers, name, background):
    logits = np.array([[3.0, 4.0, -9.0], [4.0, 3.0, -9.0], [5.0, 5.0, -9.0]])
    found = detected(
        parsers[name], logits, thresholds=[0.99, *[0.4] * (2 - background)], background=background
    )
    expected = {"detr": [(0, 1)], "owlvit": [(0, 1), (2, 0)]}
    assert queries_and_classes(found) == expected[name]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bad", [np.nan, -np.nan])
@pytest.mark.parametrize("name", ["detr", "owlvit"])
def test_query_with_a_nan_is_no_object(parsers, name, bad, dtype):
    logits = np.array([[9.0, bad, -9.0], [bad, 9.0, -9.0], [9.0, -9.0, bad], [9.0, -9.0, -9.0]])
    found = detected(parsers[name], logits, dtype, background=name == "detr")
    assert queries_and_classes(found) == [(3, 0)]


def test_softmax_of_infinite_logits_is_no_object_and_of_huge_ones_is_certain(parsers):
    logits = np.array([[np.inf, 0, 0], [0, 0, np.inf], [-np.inf] * 3, [3e38, -3e38, 0], [88, -np.inf, -88]])
    objects = detected(parsers["detr"], logits, background=1)
    assert queries_and_classes(objects) == [(3, 0), (4, 0)]
    assert objects[:, 5].tolist() == [1.0, 1.0]


def test_minus_infinity_of_a_padded_prompt_is_no_class(parsers):
    objects = detected(parsers["owlvit"], [[-np.inf, 2.0, -np.inf], [-np.inf] * 3], thresholds=0.0)
    assert queries_and_classes(objects) == [(0, 1)]
