"""Detections that are final in three outputs: RT-DETR's and D-FINE's own exports, DeepStream-Yolo's earlier scripts."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from dsbench.families.family import Family, FrameTensors, Head, PixelRule, Setting, Sign, named
from dsbench.families.graph_facts import GraphFacts
from dsbench.families.graph_signs import dense_p6, integers
from dsbench.families.graph_signs import scores as are_scores
from dsbench.families.reference_decoders import (
    BOX_SETTINGS,
    PIXELS,
    answered,
    detection_rows,
    example_detections,
    may_be_corners,
    pixel_corners,
    possible_units,
    whole_classes,
)


def decode(frame: FrameTensors, settings: Mapping[str, Setting]) -> np.ndarray:
    """Return the detections as they are, less those that are no known class."""
    corners = pixel_corners(frame, frame.tensors["boxes"], settings)
    labels, scores = (np.ravel(frame.tensors[role]) for role in ("labels", "scores"))
    return detection_rows(frame, whole_classes(labels), scores, corners)


def example(random: np.random.Generator, classes: int, width: int, height: int) -> dict[str, np.ndarray]:
    """Return 100 detections."""
    boxes, scores, labels = example_detections(random, 100, classes, width, height, BOX_SETTINGS)
    return {"labels": labels, "boxes": boxes, "scores": scores}


def example_of_columns(
    settings: Mapping[str, Setting], random: np.random.Generator, classes: int, width: int, height: int
) -> dict[str, np.ndarray]:
    """Return 100 detections whose labels and scores are columns."""
    boxes, scores, labels = example_detections(random, 100, classes, width, height, settings)
    return {"labels": labels[:, None], "boxes": boxes, "scores": scores[:, None]}


HEAD = Head(
    parser_source="labels_boxes_scores.cpp",
    parser_symbol="NvDsInferParseCustomLabelsBoxesScores",
    roles=("labels", "boxes", "scores"),
    decode=decode,
    classes=lambda dims, settings: None,
    settings=BOX_SETTINGS,
)


COLUMNS = {"labels": "classes", "boxes": "boxes", "scores": "scores"}


def _in_columns(facts: GraphFacts) -> bool:
    """Tell boxes, scores and classes with a row each, classes whole numbers and scores within 0..1 where it was run."""
    if set(COLUMNS.values()) != facts.names or facts.dims("boxes")[2:] != [4]:
        return False
    if any(facts.dims(name) != [*facts.dims("boxes")[:2], 1] for name in ("scores", "classes")):
        return False
    if not facts.answers:
        return True
    return are_scores(facts.answers["scores"]) and integers(facts.answers["classes"])


def _dense(facts: GraphFacts) -> bool:
    return facts.dims("boxes")[1] in (
        number * cells for number in (1, 3) for cells in (facts.cells, dense_p6(facts))
    )


def _sorted(facts: GraphFacts) -> bool:
    """Tell rows that are best first, as YOLO's end-to-end heads have them; a DETR's queries are in no order."""
    scores = answered(facts, "scores")
    return scores is not None and bool((np.diff(scores[:, 0]) <= 0).all())


def _matches(facts: GraphFacts, form: str, rows: Callable[[GraphFacts], bool]) -> bool:
    if not _in_columns(facts) or not rows(facts):
        return False
    boxes, scores = answered(facts, "boxes"), answered(facts, "scores")
    corners = may_be_corners(boxes)
    fits = corners if form == "corners" else not corners or boxes is None or not boxes.any()
    return fits and PIXELS in possible_units(boxes, None if scores is None else scores[:, 0])


def _family(
    name: str, seen: str, rows: Callable[[GraphFacts], bool], forms: Sequence[str], **facts: Any
) -> Iterator[Family]:
    """Yield the families of DeepStream-Yolo's three outputs: its scripts for YOLO wrote centres, others corners."""
    for form in forms:
        settings = {"boxes": form}
        yield Family(
            name=name if form == "corners" else f"{name}_{form}",
            head=HEAD,
            tensors=named(**COLUMNS),
            example=partial(example_of_columns, BOX_SETTINGS | settings),
            settings=settings,
            signs=(
                Sign(19, f"boxes ({form}), scores, classes {seen}", partial(_matches, form=form, rows=rows)),
            ),
            **facts,
        )


LETTERBOX = PixelRule(padding="centre")
BOTH = ("corners", "centres")


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
    *_family(
        "deepstream_yolo_outputs",
        "for each cell",
        _dense,
        BOTH,
        cluster_mode=2,
        nms_iou_threshold=0.45,
        default_threshold=0.25,
        pixels=LETTERBOX,
    ),
    # RT-DETR and the like, which are trained on stretched frames.
    *_family(
        "deepstream_yolo_outputs_queries",
        "in no order",
        lambda facts: not _dense(facts) and not _sorted(facts),
        BOTH,
        cluster_mode=4,
        default_threshold=0.25,
    ),
    *_family(
        "deepstream_yolo_outputs_end_to_end",
        "best first",
        lambda facts: not _dense(facts) and _sorted(facts),
        BOTH,
        cluster_mode=4,
        default_threshold=0.25,
        pixels=LETTERBOX,
    ),
)
