"""Detectors whose anchors lie along the last axis: Ultralytics' YOLOv8, 9, 11, 12 and what is exported like them."""

from collections.abc import Mapping

import numpy as np

from dsbench.families.family import Family, FrameTensors, Head, RoleDims, Setting, Sign
from dsbench.families.graph_facts import GraphFacts
from dsbench.families.graph_signs import dense, dense_p6, scores, ultralytics
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
    anchors = frame.tensors["channels"].T
    scores = anchors[:, 4:]
    return detection_rows(
        frame, scores.argmax(axis=1), scores.max(axis=1), corners_of_centres(anchors[:, :4])
    )


def channels_behind_the_box(dims: RoleDims, settings: Mapping[str, Setting]) -> int | None:
    """Return the number of channels less the box's four."""
    return classes_beside(dims["channels"], 1, 4)


def example(random: np.random.Generator, classes: int, width: int, height: int) -> dict[str, np.ndarray]:
    """Return the anchors of strides 8, 16 and 32."""
    boxes, scores, _ = example_anchors(random, len(grid_cells(width, height)), classes, width, height)
    return {"channels": np.hstack([boxes, scores]).T.copy()}


HEAD = Head(
    parser_source="anchor_channels.cpp",
    parser_symbol="NvDsInferParseCustomAnchorChannels",
    roles=("channels",),
    decode=decode,
    classes=channels_behind_the_box,
    anchors=lambda dims: dims["channels"][2],
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
        head=HEAD,
        tensors=only_output("channels"),
        example=example,
        signs=(
            Sign(4, "Ultralytics, [B, 4 + classes, N]", _named_in_the_metadata),
            Sign(21, "[B, 4 + classes, cells]", _as_many_as_cells),
        ),
        **YOLO,
    ),
)
