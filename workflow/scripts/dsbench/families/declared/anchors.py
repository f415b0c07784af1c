"""Detectors with a box and each class's score at every anchor: Ultralytics' YOLOv8, 9, 11, 12 and what is like them.

Ultralytics has the anchors along the last axis, as `channels`; other exports have a row for each, as `rows`.
"""

from collections.abc import Mapping
from functools import partial

import numpy as np

from dsbench.families.family import Family, FrameTensors, Head, RoleDims, Setting, Sign
from dsbench.families.graph_facts import GraphFacts
from dsbench.families.graph_signs import dense, dense_p6, grid_signs, one_score, scores, ultralytics
from dsbench.families.reference_decoders import (
    YOLO,
    classes_beside,
    corners_of_centres,
    detection_rows,
    example_anchors,
    grid_cells,
    only_output,
)

CHANNELS, ROWS = "channels", "rows"


def decode(frame: FrameTensors, settings: Mapping[str, Setting]) -> np.ndarray:
    """Return each anchor's best class, as Ultralytics' post-processing has them before it clusters."""
    anchors = frame.tensors[CHANNELS].T if CHANNELS in frame.tensors else frame.tensors[ROWS]
    found = anchors[:, 4:]
    return detection_rows(frame, found.argmax(axis=1), found.max(axis=1), corners_of_centres(anchors[:, :4]))


def _classes(role: str, axis: int, dims: RoleDims, settings: Mapping[str, Setting]) -> int | None:
    """Return the length of that axis less the box's four."""
    return classes_beside(dims[role], axis, 4)


def _example(
    role: str, random: np.random.Generator, classes: int, width: int, height: int
) -> dict[str, np.ndarray]:
    """Return the anchors of strides 8, 16 and 32."""
    boxes, found, _ = example_anchors(random, len(grid_cells(width, height)), classes, width, height)
    rows = np.hstack([boxes, found])
    return {role: rows.T.copy() if role == CHANNELS else rows}


CHANNELS_HEAD = Head(
    parser_source="anchor_channels.cpp",
    parser_symbol="NvDsInferParseCustomAnchorChannels",
    roles=(CHANNELS,),
    decode=decode,
    classes=partial(_classes, CHANNELS, 1),
    anchors=lambda dims: dims[CHANNELS][2],
)
ROWS_HEAD = Head(
    parser_source="anchor_rows.cpp",
    parser_symbol="NvDsInferParseCustomAnchorRows",
    roles=(ROWS,),
    decode=decode,
    classes=partial(_classes, ROWS, 2),
    anchors=lambda dims: dims[ROWS][1],
)


def _named_in_the_metadata(facts: GraphFacts) -> bool:
    """Tell one channel for each of Ultralytics' names behind the box's four."""
    channels = facts.only[1] if len(facts.only) == 3 else None
    return ultralytics(facts) and facts.class_count is not None and channels == 4 + facts.class_count


def _as_many_as_cells(facts: GraphFacts) -> bool:
    """Tell classes behind a box for as many anchors as the image has cells."""
    anchors = dense(facts, facts.cells, 2) or dense(facts, dense_p6(facts), 2)
    return anchors and facts.only[1] != 4 and (facts.rows is None or scores(facts.rows[4:]))


FAMILIES = (
    Family(
        name="yolo_v8",
        head=CHANNELS_HEAD,
        tensors=only_output(CHANNELS),
        example=partial(_example, CHANNELS),
        signs=(
            Sign(4, "Ultralytics, [B, 4 + classes, N]", _named_in_the_metadata),
            Sign(21, "[B, 4 + classes, cells]", _as_many_as_cells),
        ),
        **YOLO,
    ),
    Family(
        name="yolo_v8_transposed",
        head=ROWS_HEAD,
        tensors=only_output(ROWS),
        example=partial(_example, ROWS),
        signs=(
            *grid_signs("yolo_v8_transposed", "[B, cells, 4 + classes]"),
            Sign(23, "[B, cells, 4 + 1], a box and one score", one_score),
        ),
        **YOLO,
    ),
)
