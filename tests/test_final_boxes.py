"""Reading final boxes: the ways they are written, numbers that are no class or count, units by what was answered."""

import numpy as np
import pytest

from dsbench.family import Frame
from dsbench.final_boxes import pixel_corners, possible_units, whole_classes, whole_count

FRAME = Frame({}, 200, 100, np.zeros(1))


@pytest.mark.parametrize(
    ("form", "fractions", "box"),
    [
        ("corners", False, [20, 30, 60, 90]),
        ("corners", True, [0.1, 0.3, 0.3, 0.9]),
        ("corners_y_first", False, [30, 20, 90, 60]),
        ("corners_y_first", True, [0.3, 0.1, 0.9, 0.3]),
        ("centres", False, [40, 60, 40, 60]),
        ("centres", True, [0.2, 0.6, 0.2, 0.6]),
    ],
)
def test_every_way_to_write_a_box_gives_the_same_corners(form, fractions, box):
    corners = pixel_corners(FRAME, np.array([box]), {"boxes": form, "fractions": fractions})
    np.testing.assert_allclose(corners, [[20, 30, 60, 90]])


def test_numbers_that_are_no_class_are_minus_one():
    numbers = [0, 7, -0.0, -1, 0.5, np.nan, np.inf, -np.inf, 1e30]
    assert whole_classes(numbers).tolist() == [0, 7, 0, -1, -1, -1, -1, -1, -1]


def test_counts_are_between_nothing_and_all_rows():
    counts = [2, 1.9, 0, -3, np.nan, np.inf, -np.inf, 1e9]
    assert [whole_count(number, 5) for number in counts] == [2, 1, 0, 0, 0, 5, 0, 5]


@pytest.mark.parametrize(
    ("boxes", "units"),
    [
        (None, {"pixels"}),
        (np.zeros((0, 4)), {"fractions", "pixels"}),
        (np.zeros((3, 4)), {"fractions", "pixels"}),
        (np.array([[np.nan, 0, 0, np.inf]]), {"fractions", "pixels"}),
        (np.array([[-0.1, 0.2, 1.1, 0.9]]), {"fractions"}),
        (np.array([[0, 0, 1, 1], [-3, 2, 1, 1]]), {"pixels"}),
    ],
)
def test_units_are_told_by_the_largest_coordinate(boxes, units):
    assert possible_units(boxes) == units
