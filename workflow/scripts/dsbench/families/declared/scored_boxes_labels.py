"""MMDetection's detectors with the NMS in their graph: boxes with their scores, and labels."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from dsbench.families.family import Family, FrameTensors, Head, PixelRule, Setting, Sign, named
from dsbench.families.graph_facts import GraphFacts
from dsbench.families.reference_decoders import (
    BOX_SETTINGS,
    detection_rows,
    example_detections,
    pixel_corners,
    whole_classes,
)


def decode(frame: FrameTensors, settings: Mapping[str, Setting]) -> np.ndarray:
    """Return the detections as they are, less those that are no known class."""
    rows = frame.tensors["rows"]
    corners = pixel_corners(frame, rows[:, :4], settings)
    return detection_rows(frame, whole_classes(frame.tensors["labels"]), rows[:, 4], corners)


def example(random: np.random.Generator, classes: int, width: int, height: int) -> dict[str, np.ndarray]:
    """Return 60 detections and the unused rows behind them."""
    boxes, scores, labels = example_detections(random, 60, classes, width, height, BOX_SETTINGS)
    rows = np.vstack([np.column_stack([boxes, scores]), np.zeros((40, 5))])
    return {"rows": rows, "labels": np.concatenate([labels, np.full(40, -1)])}


HEAD = Head(
    parser_source="scored_boxes_labels.cpp",
    parser_symbol="NvDsInferParseCustomScoredBoxesLabels",
    roles=("rows", "labels"),
    decode=decode,
    classes=lambda dims, settings: None,
    settings=BOX_SETTINGS,
)
RTMDET_PIXELS = PixelRule(
    color="BGR", scale=1.0, mean=(103.53, 116.28, 123.675), std=(57.375, 57.12, 58.395), padding="centre"
)


def _whole_labels(facts: GraphFacts) -> bool:
    return (
        {"dets", "labels"} <= facts.names
        and facts.dims("dets")[-1:] == [5]
        and "int" in facts.dtype("labels")
    )


FAMILIES = (
    Family(
        name="mmdetection",
        head=HEAD,
        tensors=named(rows="dets", labels="labels"),
        example=example,
        cluster_mode=4,
        # pred_score_thr of MMDetection's DetInferencer.
        default_threshold=0.3,
        # MMDetection pads right and below; MMYOLO's RTMDet on both sides.
        pixels=replace(RTMDET_PIXELS, padding="corner"),
        signs=(Sign(11, "dets [B, N, 5], labels of whole numbers", _whole_labels),),
    ),
)
