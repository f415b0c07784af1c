"""Detectors with one row for each anchor: box, objectness, classes (YOLOv3, v5, v6, v7, decoded YOLOX)."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from dsbench.families.family import Family, FrameTensors, Head, PixelRule, RoleDims, Setting, Sign
from dsbench.families.graph_facts import GraphFacts
from dsbench.families.graph_signs import dense, dense_p6, end_to_end, five_and_classes, grid_signs
from dsbench.families.reference_decoders import (
    YOLO,
    classes_beside,
    corners_of_centres,
    detection_rows,
    example_anchors,
    grid_cells,
    only_output,
)

ANCHORS_OF_A_CELL = 3


def decode(frame: FrameTensors, settings: Mapping[str, Setting]) -> np.ndarray:
    """Return each row's best class, scored by objectness x class, as YOLOv5 has them before it clusters."""
    rows = frame.tensors["rows"]
    scores = rows[:, 4:5] * rows[:, 5:]
    return detection_rows(frame, scores.argmax(axis=1), scores.max(axis=1), corners_of_centres(rows[:, :4]))


def columns_behind_objectness(dims: RoleDims, settings: Mapping[str, Setting]) -> int | None:
    """Return the number of columns less the box's four and the objectness."""
    return classes_beside(dims["rows"], 2, 5)


def example_rows(
    random: np.random.Generator, count: int, classes: int, width: int, height: int
) -> dict[str, np.ndarray]:
    """Return rows of which some are sure to be an object, some are sure of a class, and a few are both."""
    boxes, scores, objects = example_anchors(random, count, classes, width, height)
    objectness = random.uniform(0.0, 0.1, (count, 1))
    objectness[objects] = random.uniform(0.5, 1.0, (len(objects), 1))
    objectness[random.choice(count, 50, replace=False)] = 0.9
    scores[random.choice(count, 50, replace=False), 0] = 0.9
    return {"rows": np.hstack([boxes, objectness, scores])}


def three_for_each_cell(
    random: np.random.Generator, classes: int, width: int, height: int
) -> dict[str, np.ndarray]:
    """Return rows of strides 8, 16 and 32 with three anchors in each cell."""
    count = ANCHORS_OF_A_CELL * len(grid_cells(width, height))
    return example_rows(random, count, classes, width, height)


def one_for_each_cell(
    random: np.random.Generator, classes: int, width: int, height: int
) -> dict[str, np.ndarray]:
    """Return rows of strides 8, 16 and 32 with one anchor in each cell."""
    return example_rows(random, len(grid_cells(width, height)), classes, width, height)


def always_an_object(
    random: np.random.Generator, classes: int, width: int, height: int
) -> dict[str, np.ndarray]:
    """Return one anchor in each cell whose objectness is 1."""
    tensors = one_for_each_cell(random, classes, width, height)
    tensors["rows"][:, 4] = 1.0
    return tensors


HEAD = Head(
    parser_source="objectness_rows.cpp",
    parser_symbol="NvDsInferParseCustomObjectnessRows",
    roles=("rows",),
    decode=decode,
    classes=columns_behind_objectness,
    anchors=lambda dims: dims["rows"][1],
)


def _three_for_each_cell(facts: GraphFacts) -> bool:
    """Tell rows of three anchors in each cell that have classes behind the objectness."""
    count = ANCHORS_OF_A_CELL * facts.cells, ANCHORS_OF_A_CELL * dense_p6(facts)
    return any(dense(facts, rows, 1) for rows in count) and five_and_classes(facts)


def _one_class(facts: GraphFacts) -> bool:
    return end_to_end(facts) and _three_for_each_cell(facts)


def _family(name: str, **facts: Any) -> Family:
    return Family(name=name, head=HEAD, tensors=only_output("rows"), **(YOLO | facts))


FAMILIES = (
    _family(
        "yolo_v5",
        example=three_for_each_cell,
        signs=(
            Sign(19, "[B, 3 x cells, 5 + 1]", _one_class),
            Sign(22, "[B, 3 x cells, 5 + classes]", _three_for_each_cell),
        ),
    ),
    _family(
        "yolo_v6",
        example=always_an_object,
        signs=grid_signs("yolo_v6", "[B, cells, 5 + classes], objectness always 1"),
    ),
    _family(
        "yolox",
        example=one_for_each_cell,
        signs=grid_signs("yolox", "[B, cells, 5 + classes], boxes in pixels"),
        # From 0.1.1 on it is fed bytes in OpenCV's order of colours, padded right and below.
        pixels=PixelRule(color="BGR", scale=1.0, padding="corner"),
    ),
)
