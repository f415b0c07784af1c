"""How a family's boxes are written and read: arithmetic for reference decoders, dense anchors, final boxes."""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from dsbench.families.family import FrameTensors, PixelRule, Setting
from dsbench.families.graph_facts import STRIDES, GraphFacts


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-x)) without overflow."""
    return np.exp(-np.logaddexp(0.0, -np.asarray(logits, np.float64)))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the softmax along the last axis."""
    logits = np.asarray(logits, np.float64)
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def corners_of_centres(boxes: np.ndarray) -> np.ndarray:
    """Return left, top, right, bottom of boxes given as centre x, centre y, width, height."""
    boxes = np.asarray(boxes, np.float64)
    return np.hstack([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2])


# The share of the network's height by which the parsers end a box above the picture's lower edge.
EDGE_MARGIN = 2.0**-20


def detection_rows(
    frame: FrameTensors, classes: np.ndarray, scores: np.ndarray, corners: np.ndarray
) -> np.ndarray:
    """Return a decoder's rows: those above their class's threshold, moved and clipped to the picture, best first.

    `corners` are left, top, right, bottom in network pixels. A box ends a little above the picture's lower edge, since
    nvinfer may drop one that ends on it. Equal scores keep their order; what is not finite,
    has no area inside the picture, or a class without a threshold is left out.
    """
    classes = np.asarray(classes, np.int64)
    known = (classes >= 0) & (classes < len(frame.thresholds))
    limits = np.asarray(frame.thresholds, np.float64)[np.where(known, classes, 0)]
    usable = known & np.isfinite(corners).all(axis=1) & np.isfinite(scores) & (scores > limits)
    order = np.argsort(-scores[usable], kind="stable")
    moved = corners[usable][order] - [*frame.shift, *frame.shift]
    left, top, right, bottom = frame.edges
    right, bottom = min(right, frame.width), min(bottom, frame.height) - frame.height * EDGE_MARGIN
    kept = np.clip(moved, [left, top] * 2, [right, bottom] * 2)
    extent = kept[:, 2:] - kept[:, :2]
    rows = np.column_stack([classes[usable][order], kept[:, :2], extent, scores[usable][order]])
    return rows[(extent > 0).all(axis=1)]


# Frames are letterboxed in the middle. 0.25 is the confidence that the projects' predict and detect scripts start
# with; 0.45 the overlap of YOLOv5's, v6's and v7's, at the strict end of the 0.45 to 0.7 in use for later ones.
YOLO: dict[str, Any] = {
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


def only_output(role: str) -> Callable[[GraphFacts], Mapping[str, str]]:
    """Return the `tensors` function of a family with one output, which may have any name."""
    return lambda facts: {} if facts.only_name is None else {role: facts.only_name}


def classes_beside(dims: Sequence[int | str], axis: int, others: int) -> int | None:
    """Return the length of a 3-D tensor's axis less the `others` that are no classes, None where it is symbolic.

    Raises ValueError where the tensor is not 3-D or no class is left.
    """
    if len(dims) != 3:
        raise ValueError(f"{len(dims)} dims, expected 3")
    length = dims[axis]
    if not isinstance(length, int):
        return None
    if length <= others:
        raise ValueError(f"{length} numbers for each anchor, expected more than {others}")
    return length - others


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


# `boxes` is corners (left, top, right, bottom), corners_y_first (top, left, bottom, right) or centres (centre x,
# centre y, width, height); `fractions` tells fractions of the network from its pixels.
BOX_SETTINGS: dict[str, Setting] = {"boxes": "corners", "fractions": False}
FRACTIONS, PIXELS = "fractions", "pixels"
# A box reaches as far as its largest coordinate. Of a picture's best boxes half reach less far in fractions, though
# heads that do not clip send single ones to 3; in pixels these would all lie in one corner pixel.
LARGEST_FRACTION = 1.5
# One box in twenty reaches further in pixels, wherever its objects are.
SMALLEST_REACH_PX = 8.0
REACHES = (0.5, 0.95)
BEST_BOXES = 100
Y_FIRST = [1, 0, 3, 2]
# Distances to the sides may be negative where there is no object.
MOST = 0.8


def pixel_corners(frame: FrameTensors, boxes: np.ndarray, settings: Mapping[str, Setting]) -> np.ndarray:
    """Return left, top, right, bottom in network pixels of boxes [N, 4] that are written as the settings say."""
    boxes = np.asarray(boxes, np.float64)
    if settings["boxes"] == "centres":
        boxes = corners_of_centres(boxes)
    if settings["boxes"] == "corners_y_first":
        boxes = boxes[:, Y_FIRST]
    return boxes * ([frame.width, frame.height] * 2) if settings["fractions"] else boxes


def whole_classes(numbers: np.ndarray) -> np.ndarray:
    """Return class ids as int64; -1 where a number is no class id: negative, with a fraction, not finite, huge."""
    numbers = np.asarray(numbers, np.float64)
    usable = (numbers >= 0) & (numbers < 2**31) & (numbers == np.floor(numbers))
    return np.where(usable, numbers, -1).astype(np.int64)


def whole_count(number: float, most: int) -> int:
    """Return a count of detections that may be any number, as 0 to `most`."""
    return int(np.clip(np.nan_to_num(number, nan=0.0), 0, most))


def example_detections(
    random: np.random.Generator,
    count: int,
    classes: int,
    width: int,
    height: int,
    settings: Mapping[str, Setting],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return `count` boxes written as the settings say, their scores and classes; one in three is above 0.67."""
    centres = np.hstack([random.uniform(0, 1, (count, 2)), random.uniform(0.01, 0.5, (count, 2))])
    boxes = centres if settings["boxes"] == "centres" else corners_of_centres(centres)
    if settings["boxes"] == "corners_y_first":
        boxes = boxes[:, Y_FIRST]
    sides = [height, width] * 2 if settings["boxes"] == "corners_y_first" else [width, height] * 2
    boxes = boxes if settings["fractions"] else boxes * sides
    return boxes, random.uniform(0, 1, count), random.integers(0, classes, count)


def possible_units(boxes: np.ndarray | None, scores: np.ndarray | None = None) -> set[str]:
    """Return which of fractions and pixels boxes [N, 4] may be in: both where nothing tells them apart.

    The boxes with the highest `scores` [N] are asked, all where no score is above 0. Boxes that no graph was run for,
    None, are taken for pixels, which most exporters write.
    """
    if boxes is None:
        return {PIXELS}
    found = _in_use(boxes, scores)
    if not len(found):
        return {FRACTIONS, PIXELS}
    middle, most = np.quantile(np.abs(found).max(axis=1), REACHES)
    fitting = {FRACTIONS: middle <= LARGEST_FRACTION, PIXELS: most >= SMALLEST_REACH_PX}
    return {units for units, fits in fitting.items() if fits} or {FRACTIONS, PIXELS}


def may_be_corners(boxes: np.ndarray | None) -> bool:
    """Tell boxes [N, 4] whose corners are in order, as nearly all are; of centres with sides few look so."""
    found = np.empty((0, 4)) if boxes is None else _in_use(boxes)
    return not len(found) or bool((found[:, :2] <= found[:, 2:]).all(axis=1).mean() > MOST)


def _in_use(boxes: np.ndarray, scores: np.ndarray | None = None) -> np.ndarray:
    """Return the best of the boxes that are one: unused rows end at 0 or -1, whether in a corner or in sides."""
    used = np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] > 0).all(axis=1)
    if scores is None or not (scores > 0).any():
        return boxes[used]
    scored = np.flatnonzero(used & (scores > 0))
    return boxes[scored[np.argsort(-scores[scored], kind="stable")[:BEST_BOXES]]]


def answered(facts: GraphFacts, name: str) -> np.ndarray | None:
    """Return the output's answer for the one picture, without the batch axis; None where it was not run."""
    return facts.answers[name][0] if name in facts.answers else None
