"""What detectors with a box and a score for each class at every anchor have in common."""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

import numpy as np

from dsbench.family import PixelRule
from dsbench.graph_facts import STRIDES, GraphFacts

# Frames are letterboxed in the middle. 0.25 is the confidence that the projects' predict and detect scripts start
# with; 0.45 the overlap of YOLOv5's, v6's and v7's, at the strict end of the 0.45 to 0.7 in use for later ones.
YOLO = {
    "cluster_mode": 2,
    "default_threshold": 0.25,
    "nms_iou_threshold": 0.45,
    "pixels": PixelRule(padding="centre"),
}
OBJECTS = 16
# Of published heads: the strides of their grids, of which each has some that follow one another, and their anchors.
ALL_STRIDES = (4, 8, 16, 32, 64, 128)
COARSEST_FIRST_STRIDE = 32
ANCHORS_AT_A_CELL = (1, 2, 3, 5, 9)


def only_output(role: str) -> Callable[[GraphFacts], Mapping[str, str | None]]:
    """Return the `tensors` function of a family with one output, which may have any name."""
    return lambda facts: {role: facts.only_name}


def classes_beside(dims: Sequence[int | str], axis: int, others: int) -> int | None:
    """Return the length of a 3-D tensor's axis less the `others` that are no classes, None where it is symbolic.

    Raises ValueError where the tensor is not 3-D or no class is left.
    """
    if len(dims) != 3:
        raise ValueError(f"{len(dims)} dims, expected 3")
    if not isinstance(dims[axis], int):
        return None
    if dims[axis] <= others:
        raise ValueError(f"{dims[axis]} numbers for each anchor, expected more than {others}")
    return dims[axis] - others


def anchor_counts(height: int, width: int) -> set[int]:
    """Return how many anchors a head may have for an image of that size: neighbouring strides, so many at each cell.

    Sides that a stride does not divide are rounded down or up.
    """
    counts = set()
    for first, last in combinations(range(len(ALL_STRIDES) + 1), 2):
        strides = ALL_STRIDES[first:last]
        down = sum((height // stride) * (width // stride) for stride in strides)
        up = sum(-(-height // stride) * -(-width // stride) for stride in strides)
        if strides[0] <= COARSEST_FIRST_STRIDE:
            counts |= {number * cells for number in ANCHORS_AT_A_CELL for cells in (down, up)}
    return counts


def grid_cells(width: int, height: int, strides: Sequence[int] = STRIDES) -> np.ndarray:
    """Return column, row and stride of all cells [N, 3], stride by stride and row by row.

    `width` and `height` are the network's in pixels; a stride that does not divide them rounds up.
    """
    return np.concatenate(
        [
            [
                (column, row, stride)
                for row in range(-(-height // stride))
                for column in range(-(-width // stride))
            ]
            for stride in strides
        ]
    )


def example_anchors(
    random: np.random.Generator, count: int, classes: int, width: int, height: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return boxes [count, 4], scores [count, classes], and which of them are the 16 objects.

    Boxes are centre x, centre y, width, height in pixels; scores of objects are from 0.15 to 1.
    """
    boxes = random.uniform([0, 0, 4, 4], [width, height, width / 2, height / 2], (count, 4))
    scores = random.uniform(0.0, 0.1, (count, classes))
    objects = random.choice(count, OBJECTS, replace=False)
    scores[objects, random.integers(0, classes, OBJECTS)] = random.uniform(0.15, 1.0, OBJECTS)
    return boxes, scores, objects
