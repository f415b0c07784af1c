"""Boxes, scores and classes that are final in the graph: the ways in which they are written, and how to read them."""

from collections.abc import Mapping

import numpy as np

from dsbench.family import Frame, Setting
from dsbench.graph_facts import GraphFacts
from dsbench.reference_boxes import corners_of_centres

# `boxes` is corners (left, top, right, bottom), corners_y_first (top, left, bottom, right) or centres (centre x,
# centre y, width, height); `fractions` tells fractions of the network from its pixels.
BOX_SETTINGS = {"boxes": "corners", "fractions": False}
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


def pixel_corners(frame: Frame, boxes: np.ndarray, settings: Mapping[str, Setting]) -> np.ndarray:
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
