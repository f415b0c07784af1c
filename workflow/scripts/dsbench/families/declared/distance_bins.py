"""Detectors that give each side of a box as a distribution over distances: NanoDet-Plus and PicoDet."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from dsbench.families.family import Family, FrameTensors, Head, PixelRule, RoleDims, Setting, Sign
from dsbench.families.graph_facts import GraphFacts
from dsbench.families.graph_signs import DISTANCE_BINS, column, dense, distance_cells, scores
from dsbench.families.reference_decoders import (
    classes_beside,
    detection_rows,
    example_anchors,
    grid_cells,
    only_output,
    softmax,
)

STRIDES = (8, 16, 32, 64)
BINS_OF_A_SIDE = DISTANCE_BINS // 4


def decode(frame: FrameTensors, settings: Mapping[str, Setting]) -> np.ndarray:
    """Return each cell's best class; a side is the expected bin x stride away from the cell's point.

    The point is (column + cell_offset, row + cell_offset) x stride: NanoDet-Plus has an offset of 0
    (nanodet_plus_head.py, get_single_level_center_priors), PicoDet one of 0.5 (cell_offset in its configs).
    """
    rows = frame.tensors["rows"]
    cells = grid_cells(frame.width, frame.height, STRIDES)
    stride = cells[:, 2:]
    points = (cells[:, :2] + settings["cell_offset"]) * stride
    bins = rows[:, -DISTANCE_BINS:].reshape(-1, 4, BINS_OF_A_SIDE)
    distances = softmax(bins) @ np.arange(BINS_OF_A_SIDE) * stride
    corners = np.hstack([points - distances[:, :2], points + distances[:, 2:]])
    scores = rows[:, :-DISTANCE_BINS]
    return detection_rows(frame, scores.argmax(axis=1), scores.max(axis=1), corners)


def columns_before_the_bins(dims: RoleDims, settings: Mapping[str, Setting]) -> int | None:
    """Return the number of columns less the four sides' bins."""
    return classes_beside(dims["rows"], 2, DISTANCE_BINS)


def example(random: np.random.Generator, classes: int, width: int, height: int) -> dict[str, np.ndarray]:
    """Return a row for each cell, its distances spread over all bins."""
    count = len(grid_cells(width, height, STRIDES))
    _, scores, objects = example_anchors(random, count, classes, width, height)
    bins = random.normal(0.0, 2.0, (count, DISTANCE_BINS))
    scores[objects[: len(objects) // 2]] *= 0.5
    return {"rows": np.hstack([scores, bins])}


HEAD = Head(
    parser_source="distance_bins.cpp",
    parser_symbol="NvDsInferParseCustomDistanceBins",
    roles=("rows",),
    decode=decode,
    classes=columns_before_the_bins,
    settings={"cell_offset": 0.0},
    anchors=lambda dims: dims["rows"][1],
)


def _bins_for_each_cell(facts: GraphFacts) -> bool:
    """Tell scores and bins for each cell of the four strides."""
    return (
        dense(facts, distance_cells(facts), 1)
        and isinstance(facts.only[2], int)
        and facts.only[2] > DISTANCE_BINS
        and (facts.rows is None or column(facts, slice(None, -DISTANCE_BINS), scores))
    )


def _from_paddle(facts: GraphFacts) -> bool:
    """Tell the input's name in PaddleDetection's exports."""
    return "image" in facts.inputs


def _family(name: str, **facts: Any) -> Family:
    return Family(
        name=name,
        head=HEAD,
        tensors=only_output("rows"),
        example=example,
        cluster_mode=2,
        # The overlap of both projects' own suppression.
        nms_iou_threshold=0.6,
        **facts,
    )


FAMILIES = (
    _family(
        "nanodet",
        signs=(
            Sign(
                24,
                "[B, cells of 4 strides, classes + 32]",
                lambda facts: _bins_for_each_cell(facts) and not _from_paddle(facts),
            ),
        ),
        # What its demo draws; mean and std are its configs', whose keep_ratio is false.
        default_threshold=0.35,
        pixels=PixelRule(color="BGR", scale=1.0, mean=(103.53, 116.28, 123.675), std=(57.375, 57.12, 58.395)),
    ),
    _family(
        "picodet",
        signs=(
            Sign(
                24,
                "image, [B, cells of 4 strides, classes + 32]",
                lambda facts: _bins_for_each_cell(facts) and _from_paddle(facts),
            ),
        ),
        settings={"cell_offset": 0.5},
        # What its tools draw; mean and std are its readers', whose keep_ratio is false.
        default_threshold=0.5,
        pixels=PixelRule(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    ),
)
