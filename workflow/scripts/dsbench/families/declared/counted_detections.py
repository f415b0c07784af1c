"""Detectors with the NMS in their graph and four outputs: a count, boxes, scores, classes."""

from collections.abc import Mapping
from functools import partial

import numpy as np

from dsbench.families.family import Family, FrameTensors, Head, PixelRule, Setting, Sign, named
from dsbench.families.graph_facts import GraphFacts
from dsbench.families.reference_decoders import (
    BOX_SETTINGS,
    FRACTIONS,
    PIXELS,
    answered,
    detection_rows,
    example_detections,
    pixel_corners,
    possible_units,
    whole_classes,
    whole_count,
)

TENSORFLOW = ("tf", "keras", "tensorflow")


def decode(frame: FrameTensors, settings: Mapping[str, Setting]) -> np.ndarray:
    """Return the counted detections as they are, less those that are no known class."""
    boxes, scores, labels = (frame.tensors[role] for role in ("boxes", "scores", "labels"))
    count = whole_count(frame.tensors["count"][0], len(boxes))
    corners = pixel_corners(frame, boxes[:count], settings)
    return detection_rows(frame, whole_classes(labels[:count]), scores[:count], corners)


def example(
    settings: Mapping[str, Setting], random: np.random.Generator, classes: int, width: int, height: int
) -> dict[str, np.ndarray]:
    """Return 100 detections of which the last 40 are left from another picture."""
    boxes, scores, labels = example_detections(random, 100, classes, width, height, settings)
    return {"count": np.array([60]), "boxes": boxes, "scores": scores, "labels": labels}


HEAD = Head(
    parser_source="counted_detections.cpp",
    parser_symbol="NvDsInferParseCustomCountedDetections",
    roles=("count", "boxes", "scores", "labels"),
    decode=decode,
    classes=lambda dims, settings: None,
    settings=BOX_SETTINGS,
)


def _tensors(facts: GraphFacts) -> Mapping[str, str]:
    """Return the four outputs by role: the count by its name, boxes by their shape, and the rest by names."""
    [count] = [name for name in facts.outputs if name.startswith("num")]
    [boxes] = [name for name in facts.outputs if name != count and facts.dims(name)[2:] == [4]]
    lists = [name for name in facts.outputs if name not in (count, boxes)]
    [labels] = [name for name in lists if any(word in name.lower() for word in ("class", "label", "cls"))]
    [scores] = [name for name in lists if name != labels]
    return {"count": count, "boxes": boxes, "scores": scores, "labels": labels}


def _counted(facts: GraphFacts) -> bool:
    counts = [name for name in facts.names if name.startswith("num")]
    return len(facts.names) == 4 and len(counts) == 1 and "int" in facts.dtype(counts[0])


def axis_orders(facts: GraphFacts) -> set[bool]:
    """Return whether y may come first: TensorFlow's names are also the NMS plugin's, so its exporter has to tell."""
    if not any(name.startswith("detection_boxes") for name in facts.names):
        return {False}
    if facts.producer.lower().startswith(TENSORFLOW):
        return {True}
    return {False} if facts.producer == "pytorch" else {False, True}


def _possible_units(facts: GraphFacts) -> set[str]:
    """Return the units that the counted boxes of the answer may be in."""
    try:
        tensors = _tensors(facts)
    except ValueError:
        return possible_units(None)
    boxes, count, scores = (answered(facts, tensors[role]) for role in ("boxes", "count", "scores"))
    if boxes is None or count is None:
        return possible_units(None)
    used = whole_count(count.ravel()[0], len(boxes))
    return possible_units(boxes[:used], None if scores is None else scores.ravel()[:used])


def _matches(facts: GraphFacts, y_first: bool, units: str) -> bool:
    return _counted(facts) and y_first in axis_orders(facts) and units in _possible_units(facts)


def _family(name: str, y_first: bool, units: str) -> Family:
    """Return one of the four ways to write the boxes; a model for which nothing tells them apart names its own."""
    settings = {"boxes": "corners_y_first" if y_first else "corners", "fractions": units == FRACTIONS}
    order = "y first" if y_first else "x first"
    return Family(
        name=name,
        head=HEAD,
        tensors=_tensors,
        example=partial(example, settings),
        cluster_mode=4,
        default_threshold=0.25,
        settings=settings,
        # TensorFlow's detectors take the bytes as they are, stretched; the others come from YOLO's exporters.
        pixels=PixelRule(scale=1.0) if y_first else PixelRule(padding="centre"),
        signs=(
            Sign(
                13,
                f"a count, boxes ({order}, {units}), scores, classes",
                lambda f: _matches(f, y_first, units),
            ),
        ),
    )


TAO = BOX_SETTINGS | {"fractions": True}

FAMILIES = (
    _family("nms_in_graph", False, PIXELS),
    _family("nms_in_graph_fractions", False, FRACTIONS),
    _family("nms_in_graph_y_first", True, PIXELS),
    _family("nms_in_graph_y_first_fractions", True, FRACTIONS),
    Family(
        name="tao_nms",
        head=HEAD,
        tensors=named(count="BatchedNMS", boxes="BatchedNMS_1", scores="BatchedNMS_2", labels="BatchedNMS_3"),
        example=partial(example, TAO),
        cluster_mode=4,
        default_threshold=0.3,
        settings=TAO,
        # Keras' mean of ImageNet, which TAO's detectors of this kind subtract without dividing.
        pixels=PixelRule(color="BGR", scale=1.0, mean=(103.939, 116.779, 123.68)),
        signs=(Sign(15, "BatchedNMS outputs", lambda f: "BatchedNMS" in f.names),),
    ),
)
