"""Parsers of detections that are final in the graph: counts and classes that are data, and how boxes are written."""

from dataclasses import replace

import numpy as np
import pytest

from dsbench.families.declared import families, family_named
from parser_calls import INT32, build, case, layer

INT64 = 4
SIZE = (640, 480)
THRESHOLDS = [0.5] * 3
BOXES = np.array([[64, 48, 128, 96], [320, 240, 640, 480], [0, 0, 320, 240]], np.float32)
PLACES = np.array([[64, 48, 64, 48], [320, 240, 320, 240], [0, 0, 320, 240]])
SCORES = np.array([0.9, 0.8, 0.7], np.float32)
COUNTED = ("nms_in_graph", "tao_nms_rows")
WITH_LABELS = ("nms_in_graph", "rt_detr_original", "mmdetection")


def fractions(boxes):
    return boxes / np.float32([*SIZE, *SIZE])


def written(family):
    """Return BOXES as the family writes them."""
    settings = family.all_settings()
    boxes = fractions(BOXES) if settings["fractions"] else BOXES
    if settings["boxes"] == "corners_y_first":
        return boxes[:, [1, 0, 3, 2]]
    if settings["boxes"] == "centres":
        return np.hstack([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]])
    return boxes


def layers_of(family, labels=(0, 1, 2), count=3.0, scores=SCORES):
    """Return the outputs for BOXES as the family shapes them; `labels` and `count` keep their dtype if whole."""
    boxes, labels, count = written(family), number_array(labels), number_array(count)
    scored = np.column_stack([boxes, scores]).astype("f4")
    as_rows = np.asarray(labels, np.float32)
    arrays = {
        "final_rows.cpp": lambda: {"rows": np.column_stack([scored, as_rows])},
        "counted_rows.cpp": lambda: {
            "rows": np.column_stack([np.zeros(3, "f4"), as_rows, scores, boxes])[None],
            "count": count.reshape(1, 1, 1),
        },
        "scored_boxes_labels.cpp": lambda: {"rows": scored, "labels": labels},
        "labels_boxes_scores.cpp": lambda: {"labels": labels, "boxes": boxes, "scores": scores},
        "counted_detections.cpp": lambda: {
            "count": count.reshape(1),
            "boxes": boxes,
            "scores": scores,
            "labels": labels,
        },
    }[family.head.parser_source]()
    dtypes = {np.dtype(np.int32): {"dtype": INT32}, np.dtype(np.int64): {"dtype": INT64}}
    return [
        layer(role, np.ascontiguousarray(array), **dtypes.get(array.dtype, {}))
        for role, array in arrays.items()
    ]


def number_array(numbers):
    numbers = np.asarray(numbers)
    return numbers.astype(np.float32) if numbers.dtype == np.float64 else numbers


def f4(*numbers):
    return np.array(numbers, np.float32)


FAMILIES = [f for f in families() if set(f.head.settings) == {"boxes", "fractions"}]


def compiled(name):
    """Return a family by name and its parser, sanitized where counts are read."""
    family = family_named(name)
    return family, build(family, {role: role for role in family.head.roles}, sanitize=name in COUNTED)


def objects_of(parser, layers, thresholds=THRESHOLDS):
    [(accepted, objects)], said = parser.run([case(layers, thresholds, SIZE)])
    assert accepted and said == []
    return objects


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_boxes_land_where_the_family_writes_them(family):
    _, parser = compiled(family.name)
    objects = objects_of(parser, layers_of(family, labels=f4(2, 0, 1)))
    assert objects[:, 0].tolist() == [2, 0, 1]
    np.testing.assert_allclose(objects[:, 1:5], PLACES, atol=1e-3)
    np.testing.assert_array_equal(objects[:, 5], SCORES)


@pytest.mark.parametrize("family", COUNTED)
@pytest.mark.parametrize(
    ("count", "objects"),
    [
        (f4(2), 2),
        (f4(0), 0),
        (f4(-1), 0),
        (f4(np.nan), 0),
        (f4(np.inf), 3),
        (f4(-np.inf), 0),
        (f4(1e9), 3),
        (f4(1.9), 1),
        (np.float16([2]), 2),
        (np.int32([2]), 2),
        (np.int32([-1]), 0),
        (np.int32([2**31 - 1]), 3),
        (np.int64([1]), 1),
        (np.int64([-(2**63)]), 0),
        (np.int64([2**63 - 1]), 3),
    ],
    ids=lambda value: f"{value.dtype}_{value[0]}" if isinstance(value, np.ndarray) else value,
)
def test_the_count_is_clamped_to_the_rows(family, count, objects):
    family, parser = compiled(family)
    assert len(objects_of(parser, layers_of(family, count=count))) == objects


@pytest.mark.parametrize("family", ["yolo_end_to_end", *COUNTED, "rt_detr_original", "mmdetection"])
def test_a_number_that_is_no_known_class_is_no_object(family):
    family, parser = compiled(family)
    for bad in (np.nan, -1, 0.5, 3, np.inf, -np.inf, 1e20):
        objects = objects_of(parser, layers_of(family, labels=f4(0, bad, 2)))
        assert objects[:, 0].tolist() == [0, 2], bad


@pytest.mark.parametrize("family", WITH_LABELS)
@pytest.mark.parametrize("dtype", [np.float16, np.int32, np.int64])
def test_labels_have_any_type_that_an_engine_gives_them(family, dtype):
    family, parser = compiled(family)
    objects = objects_of(parser, layers_of(family, labels=np.array([2, -1, 1], dtype)))
    assert objects[:, 0].tolist() == [2, 1]


@pytest.mark.parametrize("family", WITH_LABELS)
def test_huge_whole_labels_are_no_object(family):
    family, parser = compiled(family)
    labels = np.array([2**32, 1, -(2**63)], np.int64)
    assert objects_of(parser, layers_of(family, labels=labels))[:, 0].tolist() == [1]


@pytest.mark.parametrize("family", ["yolo_end_to_end", *COUNTED, "rt_detr_original", "mmdetection"])
def test_scores_at_the_threshold_or_not_finite_are_no_object(family):
    family, parser = compiled(family)
    for bad in (0.5, 0.0, -1.0, np.nan, np.inf, -np.inf):
        objects = objects_of(parser, layers_of(family, scores=f4(0.9, bad, 0.6)))
        assert objects[:, 0].tolist() == [0, 2], bad


@pytest.mark.parametrize("family", ["yolo_end_to_end", *COUNTED, "rt_detr_original", "mmdetection"])
def test_each_class_has_its_own_threshold(family):
    family, parser = compiled(family)
    objects = objects_of(parser, layers_of(family), thresholds=[0.95, 0.5, 0.65])
    assert objects[:, 0].tolist() == [1, 2]


def wrong_layers():
    """Return for each family outputs by role with one changed, and what is said of it."""
    cases = []

    def wrong(name, role, said, **changes):
        layers = {item.name: item for item in layers_of(family_named(name))}
        layers[role] = replace(layers[role], **changes)
        cases.append((name, list(layers.values()), f"'{role}' {said}"))

    wrong("nms_in_graph", "boxes", "is 3 x 3, expected 4 columns", dims=(3, 3), elements=9)
    wrong("nms_in_graph", "labels", "has 2 rows, expected 3", dims=(2,), elements=2)
    wrong("nms_in_graph", "scores", "has 2 rows, expected 3", dims=(2,), elements=2)
    wrong("nms_in_graph", "count", "has 3 rows, expected 1", array=f4(1, 1, 1), dims=(3,), elements=3)
    wrong("nms_in_graph", "count", "has data type 2", dtype=2)
    wrong("nms_in_graph", "scores", "has data type 3", dtype=INT32)
    wrong("nms_in_graph", "scores", "has 2 dims", dims=(3, 1))
    wrong("tao_nms_rows", "rows", "is 1 x 7 x 3", dims=(1, 7, 3))
    wrong("tao_nms_rows", "rows", "is 3 x 1 x 7", dims=(3, 1, 7))
    wrong("tao_nms_rows", "count", "is 1 x 1 x 3", array=f4(1, 1, 1), dims=(1, 1, 3), elements=3)
    wrong("tao_nms_rows", "count", "has 3 rows", array=f4(1, 1, 1), dims=(1, 3, 1), elements=3)
    wrong("tao_nms_rows", "rows", "has 3 dims (65536 x 65536 x 65536", dims=(65536,) * 3, elements=0)
    wrong("tao_nms_rows", "rows", "has 3 dims (1 x 0 x 7", dims=(1, 0, 7), elements=0)
    wrong("yolo_end_to_end", "rows", "is 6 x 3, expected 6 columns", dims=(6, 3))
    wrong("rt_detr_original", "labels", "has 2 rows, expected 3", dims=(2,), elements=2)
    wrong("rt_detr_original", "scores", "has 2 rows, expected 3", dims=(2,), elements=2)
    wrong("mmdetection", "labels", "has 2 rows, expected 3", dims=(2,), elements=2)
    wrong("mmdetection", "rows", "is 5 x 3, expected 5 columns", dims=(5, 3))
    return cases


@pytest.mark.parametrize(("family", "layers", "reason"), wrong_layers(), ids=lambda value: str(value)[:40])
def test_outputs_that_do_not_fit_are_refused_in_one_line(family, layers, reason):
    family, parser = compiled(family)
    [(accepted, objects)], said = parser.run([case(layers, THRESHOLDS, SIZE)])
    assert not accepted and len(objects) == 0
    assert len(said) == 1 and said[0].startswith(family.head.parser_symbol) and reason in said[0]


@pytest.mark.parametrize("family", ["yolo_end_to_end", *COUNTED, "rt_detr_original", "mmdetection"])
def test_thresholds_that_are_not_one_for_each_class_are_refused(family):
    family, parser = compiled(family)
    hostile = [case(layers_of(family), THRESHOLDS, SIZE, classes=4), case(layers_of(family), [], SIZE)]
    answers, said = parser.run(hostile)
    assert [accepted for accepted, _ in answers] == [False, False]
    assert "num-detected-classes is 4 with 3 thresholds" in said[0] and len(said) == 2
