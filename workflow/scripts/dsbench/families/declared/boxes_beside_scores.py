"""Detectors with decoded boxes beside the scores of all classes: YOLO-NAS, DAMO-YOLO, PP-YOLOE, SSD."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from dsbench.families.declared.scored_boxes_labels import RTMDET_PIXELS
from dsbench.families.family import Family, FrameTensors, Head, PixelRule, RoleDims, Setting, Sign
from dsbench.families.graph_facts import GraphFacts
from dsbench.families.graph_signs import scores as are_scores
from dsbench.families.reference_decoders import (
    BOX_SETTINGS,
    FRACTIONS,
    PIXELS,
    answered,
    detection_rows,
    example_detections,
    may_be_corners,
    pixel_corners,
    possible_units,
)

BOXES, SCORES = ("box",), ("score", "conf", "cls", "class")


def decode(frame: FrameTensors, settings: Mapping[str, Setting]) -> np.ndarray:
    """Return the best top_k of all (box, class) scores, which the families' own NMS would then take up."""
    boxes, scores = frame.tensors["boxes"], frame.tensors["scores"]
    scores = scores if len(scores) == len(boxes) else scores.T
    scores = np.where(np.isfinite(scores), scores, -np.inf)[:, settings["first_column"] :]
    known = frame.thresholds[settings["first_class"] :]
    above = np.where(scores > known, scores, -np.inf).ravel()
    best = np.argsort(-above, kind="stable")[: settings["top_k"]]
    box, column = np.divmod(best, scores.shape[1])
    corners = pixel_corners(frame, boxes[box], settings)
    return detection_rows(frame, column + settings["first_class"], above[best], corners)


def example(
    settings: Mapping[str, Setting],
    class_first: bool,
    random: np.random.Generator,
    classes: int,
    width: int,
    height: int,
) -> dict[str, np.ndarray]:
    """Return 500 boxes of which about one in ten is an object, with background columns where there are any."""
    boxes, _, labels = example_detections(random, 500, classes, width, height, settings)
    scores = random.uniform(0, 0.2, (500, classes))
    scores[np.arange(500), labels] += 0.8 * random.uniform(0, 1, 500) ** 8
    background = np.ones((500, int(settings["first_column"])))
    scores = np.hstack([background, scores])
    return {"boxes": boxes, "scores": scores.T if class_first else scores}


def class_axis(dims: RoleDims) -> int | str:
    """Return the length of the scores' axis that is not the boxes'."""
    boxes, (_, first, second) = dims["boxes"][1], dims["scores"]
    if boxes not in (first, second):
        raise ValueError("no axis of the scores is the boxes'")
    return second if first == boxes else first


def classes_of_scores(dims: RoleDims, settings: Mapping[str, Setting]) -> int | None:
    """Return the number of class ids, counting a background only where the labels do."""
    columns = class_axis(dims)
    if not isinstance(columns, int):
        return None
    return columns - int(settings["first_column"]) + int(settings["first_class"])


# Columns before first_column are background; first_class is the id of the first one behind them. top_k is the
# number of candidates that these families' NMS starts from.
SETTINGS: dict[str, Setting] = BOX_SETTINGS | {"first_column": 0, "first_class": 0, "top_k": 1000}
HEAD = Head(
    parser_source="boxes_beside_scores.cpp",
    parser_symbol="NvDsInferParseCustomBoxesBesideScores",
    roles=("boxes", "scores"),
    decode=decode,
    classes=classes_of_scores,
    settings=SETTINGS,
)


def tensors(facts: GraphFacts) -> Mapping[str, str]:
    """Return the two outputs by role: by their names where both may be boxes, else by their shapes."""
    flat = [name for name in facts.outputs if len(facts.dims(name)) == 3]
    boxes = [name for name in flat if facts.dims(name)[2] == 4]
    if len(boxes) > 1:
        boxes = [name for name in boxes if _says(name, BOXES) and not _says(name, SCORES)]
    if len(facts.outputs) != 2 or len(flat) != 2 or len(boxes) != 1:
        raise ValueError("not boxes beside scores")
    found = {"boxes": boxes[0], "scores": next(name for name in flat if name != boxes[0])}
    class_axis({role: facts.dims(name) for role, name in found.items()})
    return found


def _says(name: str, words: tuple[str, ...]) -> bool:
    return any(word in name.lower() for word in words)


def softmaxed(facts: GraphFacts, scores: str) -> bool:
    """Tell scores of which each box's add up to 1: a softmax, which no detector has without a background."""
    answer = answered(facts, scores)
    return answer is not None and any(np.allclose(answer.sum(axis=axis), 1, atol=1e-3) for axis in (0, 1))


def background_is_last(facts: GraphFacts) -> bool:
    """Tell a softmax whose last column is sure of more boxes than the first: the background, of which most are."""
    try:
        found = tensors(facts)
    except ValueError:
        return False
    if not softmaxed(facts, found["scores"]):
        return False
    answer, boxes = (answered(facts, found[role]) for role in ("scores", "boxes"))
    if answer is None or boxes is None:
        return False
    columns = answer.T if len(answer) == len(boxes) else answer
    return columns[0].mean() < columns[-1].mean()


def _has_background(facts: GraphFacts) -> bool:
    """Tell a background in front by the scores, whose softmax needs one; by the number of names if not run."""
    found = tensors(facts)
    columns = class_axis({role: facts.dims(name) for role, name in found.items()})
    if answered(facts, found["scores"]) is None:
        return isinstance(columns, int) and facts.class_count == columns - 1
    return softmaxed(facts, found["scores"])


def _class_first(facts: GraphFacts) -> bool:
    found = tensors(facts)
    return facts.dims(found["scores"])[1] != facts.dims(found["boxes"])[1]


def _matches(facts: GraphFacts, background: bool, units: str, class_first: bool | None = None) -> bool:
    """Tell a pair of outputs of this kind, or what may be one for all that is known; None takes both axis orders."""
    try:
        found = tensors(facts)
    except ValueError:
        return False
    boxes, answer = answered(facts, found["boxes"]), answered(facts, found["scores"])
    if not may_be_corners(boxes) or (answer is not None and not are_scores(answer)):
        return False
    if class_first not in (None, _class_first(facts)) or background != _has_background(facts):
        return False
    if background_is_last(facts):
        return False
    return units in possible_units(boxes, _best_scores(facts, answer, background))


def _best_scores(facts: GraphFacts, answer: np.ndarray | None, background: bool) -> np.ndarray | None:
    """Return the score [N] of each box's best class; None where the graph was not run."""
    if answer is None:
        return None
    rows = answer.T if _class_first(facts) else answer
    return rows[:, 1 if background else 0 :].max(axis=1)


def _first_class(facts: GraphFacts) -> Mapping[str, Setting]:
    """Return 1 where the labels name the background too."""
    found = {role: facts.dims(name) for role, name in tensors(facts).items()}
    return {"first_class": 1 if facts.class_count == class_axis(found) else 0}


def _family(name: str, settings: Mapping[str, Setting] | None = None, **facts: Any) -> Family:
    settings = settings or {}
    defaults: dict[str, Any] = {"cluster_mode": 2, "nms_iou_threshold": 0.7, "default_threshold": 0.25}
    return Family(
        name=name,
        head=HEAD,
        tensors=tensors,
        example=partial(example, SETTINGS | dict(settings), name == "pp_yoloe"),
        settings=settings,
        **(defaults | facts),
    )


# The same tensors, but each family's own pixels: a wrong scale finds nothing, so the user has to say which it is.
IN_PIXELS = (Sign(25, "boxes beside scores", lambda f: _matches(f, False, PIXELS, False)),)
# SSD in torchvision, with the normalisation in its graph.
SSD: dict[str, Any] = {"nms_iou_threshold": 0.45, "default_threshold": 0.5, "settings_of": _first_class}
FAMILIES = (
    _family("boxes_and_scores", signs=IN_PIXELS),
    _family(
        "boxes_and_scores_fractions",
        {"fractions": True},
        signs=(Sign(25, "boxes as fractions beside scores", lambda f: _matches(f, False, FRACTIONS)),),
    ),
    _family(
        "pp_yoloe",
        signs=(Sign(25, "boxes beside scores, classes first", lambda f: _matches(f, False, PIXELS, True)),),
    ),
    # super-gradients' processing for COCO.
    _family("yolo_nas", signs=IN_PIXELS, pixels=PixelRule(padding="centre")),
    _family("damo_yolo", signs=IN_PIXELS, pixels=PixelRule(scale=1.0)),
    _family("rtmdet", signs=IN_PIXELS, pixels=RTMDET_PIXELS, nms_iou_threshold=0.65),
    _family(
        "ssd_decoded",
        {"fractions": True, "first_column": 1},
        signs=(Sign(25, "boxes as fractions, background", lambda f: _matches(f, True, FRACTIONS)),),
        **SSD,
    ),
    _family(
        "ssd_decoded_pixels",
        {"first_column": 1},
        signs=(Sign(25, "boxes, background", lambda f: _matches(f, True, PIXELS)),),
        **SSD,
    ),
)
