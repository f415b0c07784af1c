"""What one anchor becomes in each dense head: its place in memory, its best class, its box, and wrong sizes."""

import numpy as np
import pytest

from dsbench.families.declared import family_named
from parser_calls import build, case, layer

DTYPES = [np.float32, np.float16]
FAMILIES = ["yolo_v8", "yolo_v8_transposed", "yolo_v5", "yolox_raw", "nanodet", "picodet", "yolo_v4"]
SCORED_ALONE = ["yolo_v8", "yolo_v8_transposed", "nanodet", "yolo_v4"]
SCORED_BY_TWO = ["yolo_v5", "yolox_raw"]
# 64 x 32 pixels: 8 x 4 cells of stride 8, 4 x 2 of 16, 2 x 1 of 32; NanoDet has one of 64 too.
SIZE = (64, 32)
CELLS = 42


@pytest.fixture(scope="module")
def parsers():
    def compiled(name):
        family = family_named(name)
        return build(family, {role: role for role in family.head.roles})

    return {name: compiled(name) for name in FAMILIES}


def tensors(family, scores, objectness=1.0):
    """Return the tensors of these scores [N, C], each anchor's box around the middle of the network."""
    scores = np.asarray(scores, np.float64)
    column = np.broadcast_to(objectness, (len(scores), 1))
    box = np.tile([32.0, 16.0, 8.0, 4.0], (len(scores), 1))
    if family == "yolo_v8":
        return {"channels": np.hstack([box, scores]).T.copy()}
    if family == "yolo_v8_transposed":
        return {"rows": np.hstack([box, scores])}
    if family == "yolo_v5":
        return {"rows": np.hstack([box, column, scores])}
    if family == "yolo_v4":
        return {"boxes": np.tile([0.4, 0.4, 0.6, 0.6], (len(scores), 1, 1)), "confs": scores}
    padded = np.zeros((CELLS + (family == "nanodet"), scores.shape[1]))
    padded[: len(scores)] = scores
    if family == "nanodet":
        return {"rows": np.hstack([padded, np.zeros((len(padded), 32))])}
    objectness = np.zeros((len(padded), 1))
    objectness[: len(scores)] = column
    return {"rows": np.hstack([np.zeros((len(padded), 4)), objectness, padded])}


def run(parser, arrays, thresholds, dtype=np.float32, size=SIZE):
    layers = [layer(role, np.asarray(array, dtype)) for role, array in arrays.items()]
    [(accepted, objects)], said = parser.run([case(layers, thresholds, size)])
    return accepted, objects, said


def detected(parser, arrays, thresholds, dtype=np.float32, size=SIZE):
    accepted, objects, said = run(parser, arrays, thresholds, dtype, size)
    assert accepted and said == []
    return objects


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("family", [*SCORED_ALONE, *SCORED_BY_TWO])
def test_an_anchor_is_its_best_class_alone_and_the_first_among_equal_ones(parsers, family, dtype):
    scores = [[0.25, 0.75, 0.5], [0.75, 0.875, 0.875], [0.0, 0.0, 0.0]]
    objects = detected(parsers[family], tensors(family, scores), [0.25] * 3, dtype)
    assert objects[:, [0, 5]].tolist() == [[1, 0.75], [1, 0.875]]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("family", [*SCORED_ALONE, *SCORED_BY_TWO])
def test_the_best_class_s_own_threshold_counts_and_a_score_at_it_is_not_above(parsers, family, dtype):
    scores = [[0.75, 0.5], [0.5, 0.75], [0.875, 0.0], [0.0, 0.25], [0.0, 0.375]]
    thresholds = [0.875, 0.25]
    objects = detected(parsers[family], tensors(family, scores), thresholds, dtype)
    # The first anchor's best class is under its threshold; that the other class is above its own does not help.
    assert objects[:, [0, 5]].tolist() == [[1, 0.75], [1, 0.375]]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("family", [*SCORED_ALONE, *SCORED_BY_TWO])
def test_nan_is_never_the_best_class_and_infinity_is_no_score(parsers, family, dtype):
    nan, inf = np.nan, np.inf
    scores = [[nan, 0.5], [0.5, -nan], [nan, nan], [inf, 0.5], [-inf, 0.75], [-nan, -inf]]
    objects = detected(parsers[family], tensors(family, scores), [0.25] * 2, dtype)
    assert objects[:, [0, 5]].tolist() == [[1, 0.5], [0, 0.5], [1, 0.75]]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("family", [*SCORED_ALONE, *SCORED_BY_TWO])
@pytest.mark.parametrize(("threshold", "kept"), [(0.0, 2), (-1.0, 3), (1.0, 0), (2.0, 0), (float("nan"), 0)])
def test_extreme_thresholds(parsers, family, threshold, kept, dtype):
    objects = detected(parsers[family], tensors(family, [[0.001], [1.0], [0.0]]), [threshold], dtype)
    unused_cells = CELLS + (family == "nanodet") - 3 if family in ("nanodet", "yolox_raw") else 0
    assert len(objects) == kept + (unused_cells if threshold < 0 else 0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("family", SCORED_BY_TWO)
def test_score_is_objectness_times_class(parsers, family, dtype):
    objectness = [[0.5], [0.125], [1.0], [np.nan], [0.5]]
    scores = [[0.75, 0.5], [1.0, 0.0], [0.0, 0.375], [1.0, 1.0], [0.5, 0.25]]
    objects = detected(parsers[family], tensors(family, scores, objectness), [0.25] * 2, dtype)
    assert objects[:, [0, 5]].tolist() == [[0, 0.375], [1, 0.375]]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("anchors", [1, 7, 1023, 1024, 1025, 2500])
def test_channels_are_read_whole_whatever_the_number_of_anchors(parsers, anchors, dtype):
    random = np.random.default_rng(anchors)
    channels = np.zeros((4 + 5, anchors))
    channels[:4] = np.array([[32], [16], [8], [4]]) + random.integers(0, 4, (4, anchors))
    channels[4:] = random.uniform(0.0, 0.2, (5, anchors))
    hits = sorted({0, anchors // 2, anchors - 1})
    channels[4 + random.integers(0, 5, len(hits)), hits] = 0.5
    objects = detected(parsers["yolo_v8"], {"channels": channels}, [0.25] * 5, dtype)
    x, y, width, height = channels[:4, hits]
    corners = np.column_stack([x - width / 2, y - height / 2, width, height])
    np.testing.assert_array_equal(objects[:, 1:5], corners)
    np.testing.assert_array_equal(objects[:, 0], channels[4:, hits].argmax(axis=0))


@pytest.mark.parametrize("dtype", DTYPES)
def test_channels_of_many_classes_keep_their_number(parsers, dtype):
    channels = np.zeros((4 + 65535, 2))
    channels[:4] = 8.0
    channels[-1, 0] = channels[4 + 256, 1] = 0.5
    objects = detected(parsers["yolo_v8"], {"channels": channels}, [0.25] * 65535, dtype)
    assert objects[:, 0].tolist() == [65534, 256]
    too_many = {"channels": np.zeros((4 + 65536, 2))}
    accepted, _, said = run(parsers["yolo_v8"], too_many, [0.25] * 65536, dtype)
    assert not accepted and len(said) == 1 and "65540 channels" in said[0]


@pytest.mark.parametrize("dtype", DTYPES)
def test_cells_lie_stride_by_stride_and_line_by_line(parsers, dtype):
    rows = np.zeros((CELLS, 6))
    rows[:, :4] = [0.5, 0.25, 0.0, np.log(2.0)]
    rows[[11, 38, 41], 4:] = [[0.5, 1.0], [0.75, 1.0], [1.0, 1.0]]
    objects = detected(parsers["yolox_raw"], {"rows": rows}, [0.25], dtype)
    # Centres (3.5, 1.25) x 8, (2.5, 1.25) x 16, (1.5, 0.25) x 32, one stride wide, two high, cut at the edges.
    expected = [[0, 24, 2, 8, 16, 0.5], [0, 32, 4, 16, 28, 0.75], [0, 32, 0, 32, 32, 1.0]]
    np.testing.assert_allclose(objects, expected, atol=0.02)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("family", "offset"), [("nanodet", 0.0), ("picodet", 0.5)])
def test_sides_lie_at_the_expected_bin_from_the_point_of_the_cell(parsers, family, offset, dtype):
    """A network of 60 x 40 has 8 x 5 cells of stride 8, 4 x 3 of 16, 2 x 2 of 32 and 1 of 64."""
    rows = np.zeros((57, 2 + 32))
    # Column 1, line 2 of stride 8; left is bin 1, top halfway between 0 and 1, right bin 2, bottom all alike.
    rows[17, [1, 2 + 1, 10, 11, 18 + 2]] = [0.5, 99, 99, 99, 99]
    objects = detected(parsers[family], {"rows": rows}, [0.25] * 2, dtype, (60, 40))
    x, y = (1 + offset) * 8, (2 + offset) * 8
    left, top, right, bottom = x - 8, y - 4, x + 16, min(y + 3.5 * 8, 40)
    np.testing.assert_allclose(objects, [[1, left, top, right - left, bottom - top, 0.5]], atol=1e-4)


@pytest.mark.parametrize("dtype", DTYPES)
def test_fractions_are_of_the_network_s_sides(parsers, dtype):
    boxes = np.array([[[0.25, 0.5, 0.75, 0.875]], [[-0.5, 0.0, 2.0, 1.0]]])
    arrays = {"boxes": boxes, "confs": np.array([[0.5], [0.75]])}
    objects = detected(parsers["yolo_v4"], arrays, [0.25], dtype)
    np.testing.assert_allclose(objects, [[0, 16, 16, 32, 12, 0.5], [0, 0, 0, 64, 32, 0.75]], atol=1e-4)


@pytest.mark.parametrize("family", ["yolox_raw", "nanodet"])
@pytest.mark.parametrize("more", [-1, 1])
def test_rows_that_do_not_fit_the_network_are_refused(parsers, family, more):
    rows = tensors(family, np.zeros((4, 2)))["rows"]
    rows = np.vstack([rows, rows])[: len(rows) + more]
    accepted, objects, said = run(parsers[family], {"rows": rows}, [0.25] * 2)
    assert not accepted and len(objects) == 0
    assert (
        len(said) == 1 and f"has {len(rows)} rows" in said[0] and f"has {len(rows) - more} cells" in said[0]
    )


@pytest.mark.parametrize("size", [(4294967295, 4294967295), (65536, 65536), (32, 64000)])
@pytest.mark.parametrize("family", ["yolox_raw", "nanodet"])
def test_network_of_any_size_is_only_compared_with_the_rows(parsers, family, size):
    accepted, _, said = run(parsers[family], tensors(family, np.zeros((4, 2))), [0.25] * 2, size=size)
    assert not accepted and len(said) == 1 and "cells" in said[0]


@pytest.mark.parametrize(
    ("family", "arrays", "reason"),
    [
        ("yolo_v8", {"channels": np.zeros((4, 9))}, "4 numbers for each anchor, expected 4 and the classes"),
        ("yolo_v8", {"channels": np.zeros((9, 7))}, "5 classes"),
        ("yolo_v8_transposed", {"rows": np.zeros((9, 3))}, "3 numbers"),
        ("yolo_v5", {"rows": np.zeros((9, 5))}, "5 numbers"),
        ("nanodet", {"rows": np.zeros((CELLS + 1, 32))}, "32 numbers"),
        ("yolo_v4", {"boxes": np.zeros((9, 4)), "confs": np.zeros((9, 2))}, "2 dims"),
        ("yolo_v4", {"boxes": np.zeros((9, 2, 4)), "confs": np.zeros((9, 2))}, "9 x 2 x 4"),
        ("yolo_v4", {"boxes": np.zeros((9, 1, 5)), "confs": np.zeros((9, 2))}, "9 x 1 x 5"),
        ("yolo_v4", {"boxes": np.zeros((8, 1, 4)), "confs": np.zeros((9, 2))}, "8 rows, expected 9"),
    ],
)
def test_tensor_of_another_head_is_refused_in_one_line(parsers, family, arrays, reason):
    accepted, objects, said = run(parsers[family], arrays, [0.25] * 2)
    assert not accepted and len(objects) == 0
    assert len(said) == 1 and reason in said[0]
