"""Reading final boxes: the ways they are written, numbers that are no class or count, units by what was answered."""

import numpy as np
import pytest

from dsbench.families.family import FrameTensors
from dsbench.families.reference_decoders import (
    may_be_corners,
    pixel_corners,
    possible_units,
    whole_classes,
    whole_count,
)

FRAME = FrameTensors({}, 200, 100, np.zeros(1))


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


GRID = np.stack(np.meshgrid(np.linspace(0, 0.9, 40), np.linspace(0, 0.9, 40)), axis=-1).reshape(-1, 2)
FRACTIONS = np.hstack([GRID, GRID + 0.1])
SMALL = np.hstack([GRID * 320, GRID * 320 + 3])


def with_last(boxes, *last):
    return np.vstack([boxes[: -len(last)], last])


@pytest.mark.parametrize(
    ("boxes", "units"),
    [
        (None, {"pixels"}),
        (np.zeros((0, 4)), {"fractions", "pixels"}),
        (np.zeros((3, 4)), {"fractions", "pixels"}),
        (np.full((300, 4), -1.0), {"fractions", "pixels"}),
        (np.array([[np.nan, 0, 0, np.inf]]), {"fractions", "pixels"}),
        (np.array([[-0.1, 0.2, 1.1, 0.9]]), {"fractions"}),
        (with_last(FRACTIONS, [0.3, 0.2, 1.58, 1.1]), {"fractions"}),
        (with_last(FRACTIONS, [0.3, 0.2, 3, 2.5], [-40, -3, 900, 7]), {"fractions"}),
        (FRACTIONS * 320, {"pixels"}),
        (SMALL, {"pixels"}),
        (np.vstack([FRACTIONS, FRACTIONS, SMALL]), {"fractions", "pixels"}),
        (np.array([[1, 1, 4, 3]]), {"fractions", "pixels"}),
    ],
)
def test_units_are_told_by_how_far_the_boxes_reach_and_not_by_one_of_them(boxes, units):
    assert possible_units(boxes) == units


def test_units_are_those_of_the_boxes_with_the_highest_scores():
    wild = np.hstack([GRID, GRID + 30])
    scores = np.concatenate([np.full(len(wild), 0.1), np.linspace(0.2, 0.9, len(FRACTIONS))])
    assert possible_units(np.vstack([wild, FRACTIONS]), scores) == {"fractions"}
    assert possible_units(np.vstack([wild, FRACTIONS]), scores[::-1]) == {"pixels"}
    unused = np.where(scores == 0.1, -1, scores)
    assert possible_units(np.vstack([wild, FRACTIONS * 0]), unused) == {"fractions", "pixels"}
    assert possible_units(FRACTIONS, np.zeros(len(FRACTIONS))) == {"fractions"}


def test_unused_rows_do_not_turn_centres_into_corners():
    centres = np.tile([0.5, 0.6, 0.1, 0.2], (20, 1))
    assert may_be_corners(FRACTIONS) and may_be_corners(np.zeros((300, 4)))
    assert not may_be_corners(np.vstack([centres, np.zeros((280, 4))]))
