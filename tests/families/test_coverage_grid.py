"""DetectNet_v2's parser: where a cell's box lies, and grids that do not fit each other or the configuration."""

import numpy as np
import pytest

from dsbench.families.declared import family_named
from parser_calls import build, case, layer

FAMILY = family_named("detectnet_v2")
NAMES = {"coverage": "output_cov/Sigmoid:0", "boxes": "output_bbox/BiasAdd:0"}


@pytest.fixture(scope="module")
def parser():
    return build(FAMILY, NAMES, sanitize=True)


def grids(classes, rows, columns, dtype=np.float32):
    return np.zeros((classes, rows, columns), dtype), np.zeros((4 * classes, rows, columns), dtype)


def layers_of(coverage, boxes):
    return [layer(NAMES["boxes"], boxes), layer(NAMES["coverage"], coverage)]


@pytest.mark.parametrize(
    "dtype", [(np.float32, np.float32), (np.float16, np.float16), (np.float32, np.float16)]
)
def test_a_cells_distances_are_35_pixels_long_and_count_from_half_a_pixel_inside_it(parser, dtype):
    coverage, boxes = grids(3, 34, 60)
    coverage[2, 10, 20] = 0.75
    boxes[8:, 10, 20] = [1, 2, 3, 0.5]
    layers = layers_of(coverage.astype(dtype[0]), boxes.astype(dtype[1]))
    [(accepted, objects)], said = parser.run([case(layers, [0.2] * 3, (960, 544))])
    assert accepted and said == []
    x, y = 20 * 16 + 0.5, 10 * 16 + 0.5
    np.testing.assert_allclose(objects, [[2, x - 35, y - 70, 4 * 35, 2.5 * 35, 0.75]], atol=1e-3)


def test_cells_of_a_network_that_the_grid_does_not_divide_are_rounded_up(parser):
    coverage, boxes = grids(1, 4, 7)
    coverage[0, 3, 5] = 0.9
    boxes[:, 3, 5] = 0.1
    [(_, objects)], _ = parser.run([case(layers_of(coverage, boxes), [0.2], (100, 61))])
    np.testing.assert_allclose(objects[0, 1:5], [5 * 15 + 0.5 - 3.5, 3 * 16 + 0.5 - 3.5, 7, 7], atol=1e-3)


def test_each_class_has_its_own_threshold_and_equal_coverage_is_not_above_it(parser):
    coverage, boxes = grids(2, 2, 2)
    coverage[:] = 0.5
    boxes[:] = 1
    [(_, objects)], _ = parser.run([case(layers_of(coverage, boxes), [0.5, 0.25], (32, 32))])
    assert objects[:, 0].tolist() == [1] * 4


@pytest.mark.parametrize(
    ("coverage", "boxes", "classes", "reason"),
    [
        ((3, 4, 5), (11, 4, 5), 3, "is 11 x 4 x 5, expected 12 x 4 x 5"),
        ((3, 4, 5), (12, 5, 4), 3, "is 12 x 5 x 4, expected 12 x 4 x 5"),
        ((3, 4, 5), (12, 4, 5), 4, "has 3 classes, but num-detected-classes is 4"),
        ((3, 20), (12, 4, 5), 3, "has 2 dims"),
    ],
)
def test_grids_that_do_not_fit_are_refused_in_one_line(parser, coverage, boxes, classes, reason):
    layers = layers_of(np.ones(coverage, "f4"), np.ones(boxes, "f4"))
    [(accepted, objects)], said = parser.run([case(layers, [0.2] * classes, (64, 64))])
    assert not accepted and len(objects) == 0
    assert len(said) == 1 and said[0].startswith(FAMILY.head.parser_symbol) and reason in said[0]


def test_random_bits_give_finite_boxes_inside_the_network(parser):
    random = np.random.default_rng(3)
    cases = []
    for dtype in (np.float32, np.float16):
        for _ in range(40):
            classes, rows, columns = (int(side) for side in random.integers(1, 12, 3))
            coverage, boxes = (
                np.frombuffer(random.bytes(grid.nbytes), dtype).reshape(grid.shape)
                for grid in grids(classes, rows, columns, dtype)
            )
            cases.append(case(layers_of(coverage, boxes), random.choice([0.0, 0.3, 1.0], classes), (97, 55)))
    answers, said = parser.run(cases)
    assert said == [] and all(accepted for accepted, _ in answers)
    objects = np.vstack([found for _, found in answers])
    assert len(objects) > 20 and np.isfinite(objects).all() and (objects[:, 3:5] > 0).all()
    assert (objects[:, 1] + objects[:, 3] <= 97.01).all() and (objects[:, 2] + objects[:, 4] <= 55.01).all()
