"""YOLOv8-like detectors exported with one row for each anchor."""

from collections.abc import Mapping

import numpy as np

from dsbench.families.family import Family, FrameTensors, Head, RoleDims, Setting, Sign
from dsbench.families.graph_signs import grid_signs, one_score
from dsbench.families.reference_decoders import (
    YOLO,
    classes_beside,
    corners_of_centres,
    detection_rows,
    example_anchors,
    grid_cells,
    only_output,
)


def decode(frame: FrameTensors, settings: Mapping[str, Setting]) -> np.ndarray:
    """Return each anchor's best class, as Ultralytics' post-processing has them before it clusters."""
    rows = frame.tensors["rows"]
    scores = rows[:, 4:]
    return detection_rows(frame, scores.argmax(axis=1), scores.max(axis=1), corners_of_centres(rows[:, :4]))


def columns_behind_the_box(dims: RoleDims, settings: Mapping[str, Setting]) -> int | None:
    """Return the number of columns less the box's four."""
    return classes_beside(dims["rows"], 2, 4)


def example(random: np.random.Generator, classes: int, width: int, height: int) -> dict[str, np.ndarray]:
    """Return the anchors of strides 8, 16 and 32."""
    boxes, scores, _ = example_anchors(random, len(grid_cells(width, height)), classes, width, height)
    return {"rows": np.hstack([boxes, scores])}


HEAD = Head(
    parser_source="anchor_rows.cpp",
    parser_symbol="NvDsInferParseCustomAnchorRows",
    roles=("rows",),
    decode=decode,
    classes=columns_behind_the_box,
    anchors=lambda dims: dims["rows"][1],
)

FAMILIES = (
    Family(
        name="yolo_v8_transposed",
        head=HEAD,
        tensors=only_output("rows"),
        example=example,
        signs=(
            *grid_signs("yolo_v8_transposed", "[B, cells, 4 + classes]"),
            Sign(23, "[B, cells, 4 + 1], a box and one score", one_score),
        ),
        **YOLO,
    ),
)
