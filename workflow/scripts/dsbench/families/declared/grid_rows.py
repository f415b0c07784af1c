"""YOLOX as its exporter leaves it: one row for each grid cell, the box still in units of the cell."""

from collections.abc import Mapping

import numpy as np

from dsbench.families.declared.objectness_rows import columns_behind_objectness
from dsbench.families.family import Family, FrameTensors, Head, PixelRule, Setting
from dsbench.families.graph_signs import grid_signs
from dsbench.families.reference_decoders import (
    YOLO,
    corners_of_centres,
    detection_rows,
    example_anchors,
    grid_cells,
    only_output,
)


def decode(frame: FrameTensors, settings: Mapping[str, Setting]) -> np.ndarray:
    """Return each cell's best class, scored by objectness x class, as YOLOX has them before it clusters.

    A centre is (offset + cell) x stride, a side exp(value) x stride; rows are those of stride 8, 16, 32, each
    from the left to the right and then downwards.
    """
    rows = np.asarray(frame.tensors["rows"], np.float64)
    cells = grid_cells(frame.width, frame.height)
    stride = cells[:, 2:]
    boxes = np.hstack([(rows[:, :2] + cells[:, :2]) * stride, np.exp(rows[:, 2:4]) * stride])
    scores = rows[:, 4:5] * rows[:, 5:]
    return detection_rows(frame, scores.argmax(axis=1), scores.max(axis=1), corners_of_centres(boxes))


def example(random: np.random.Generator, classes: int, width: int, height: int) -> dict[str, np.ndarray]:
    """Return a row for each cell, boxes of a few cells' size around it."""
    count = len(grid_cells(width, height))
    _, scores, objects = example_anchors(random, count, classes, width, height)
    boxes = np.hstack([random.normal(0.5, 0.5, (count, 2)), random.normal(1.0, 0.7, (count, 2))])
    objectness = random.uniform(0.0, 0.1, (count, 1))
    objectness[objects] = random.uniform(0.5, 1.0, (len(objects), 1))
    return {"rows": np.hstack([boxes, objectness, scores])}


HEAD = Head(
    parser_source="grid_rows.cpp",
    parser_symbol="NvDsInferParseCustomGridRows",
    roles=("rows",),
    decode=decode,
    classes=columns_behind_objectness,
    anchors=lambda dims: dims["rows"][1],
)

FAMILIES = (
    Family(
        name="yolox_raw",
        head=HEAD,
        tensors=only_output("rows"),
        example=example,
        signs=grid_signs("yolox_raw", "[B, cells, 5 + classes], boxes not decoded"),
        # From 0.1.1 on it is fed bytes in OpenCV's order of colours, padded right and below.
        **YOLO | {"pixels": PixelRule(color="BGR", scale=1.0, padding="corner")},
    ),
)
