"""RT-DETR, D-FINE and DEIM as their authors export them: labels, boxes and scores that are final."""

from collections.abc import Mapping

import numpy as np

from dsbench.family import Family, Frame, Head, Setting, Sign, named
from dsbench.final_boxes import BOX_SETTINGS, example_detections, pixel_corners, whole_classes
from dsbench.graph_facts import GraphFacts
from dsbench.reference_boxes import detection_rows


def decode(frame: Frame, settings: Mapping[str, Setting]) -> np.ndarray:
    """Return the detections as they are, less those that are no known class."""
    corners = pixel_corners(frame, frame.tensors["boxes"], settings)
    return detection_rows(frame, whole_classes(frame.tensors["labels"]), frame.tensors["scores"], corners)


def example(random: np.random.Generator, classes: int, width: int, height: int) -> dict[str, np.ndarray]:
    """Return 100 detections."""
    boxes, scores, labels = example_detections(random, 100, classes, width, height, BOX_SETTINGS)
    return {"labels": labels, "boxes": boxes, "scores": scores}


HEAD = Head(
    parser_source="labels_boxes_scores.cpp",
    parser_symbol="NvDsInferParseCustomLabelsBoxesScores",
    roles=("labels", "boxes", "scores"),
    decode=decode,
    classes=lambda dims, settings: None,
    settings=BOX_SETTINGS,
)


def _asks_for_the_size(facts: GraphFacts) -> bool:
    return {"labels", "boxes", "scores"} == facts.names and "orig_target_sizes" in facts.side_inputs


FAMILIES = (
    Family(
        name="rt_detr_original",
        head=HEAD,
        tensors=named(labels="labels", boxes="boxes", scores="scores"),
        example=example,
        cluster_mode=4,
        default_threshold=0.5,
        signs=(Sign(10, "images, orig_target_sizes -> labels, boxes, scores", _asks_for_the_size),),
    ),
)
