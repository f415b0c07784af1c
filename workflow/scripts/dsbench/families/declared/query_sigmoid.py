"""Query detectors with one sigmoid for each class and no background: RT-DETR and its relatives."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from dsbench.families.family import Family, FrameTensors, Head, PixelRule, RoleDims, Setting, Sign
from dsbench.families.graph_facts import GraphFacts
from dsbench.families.graph_signs import background, queries
from dsbench.families.reference_decoders import corners_of_centres, detection_rows, sigmoid


def decode(frame: FrameTensors, settings: Mapping[str, Setting]) -> np.ndarray:
    """Return the best top_k of all (query, class) scores, as transformers' RTDetrImageProcessor does."""
    logits, boxes = frame.tensors["logits"], frame.tensors["boxes"]
    scores = sigmoid(logits)
    scores[:, : settings["first_class"]] = 0.0
    scores = scores.ravel()
    best = np.argsort(-scores, kind="stable")[: settings["top_k"] or len(logits)]
    query, label = np.divmod(best, logits.shape[1])
    corners = corners_of_centres(boxes)[query] * ([frame.width, frame.height] * 2)
    return detection_rows(frame, label, scores[best], corners)


def columns_of_logits(dims: RoleDims, settings: Mapping[str, Setting]) -> int | None:
    """Return the last dim of the logits where it is a number."""
    return dims["logits"][2] if isinstance(dims["logits"][2], int) else None


def example(random: np.random.Generator, classes: int, width: int, height: int) -> dict[str, np.ndarray]:
    """Return 100 queries of which about one in ten is an object."""
    logits = random.normal(-3.0, 1.5, (100, classes))
    boxes = np.hstack([random.uniform(0, 1, (100, 2)), random.uniform(0.01, 0.5, (100, 2))])
    return {"logits": logits, "boxes": boxes}


HEAD = Head(
    parser_source="sigmoid_queries.cpp",
    parser_symbol="NvDsInferParseCustomSigmoidQueries",
    roles=("logits", "boxes"),
    decode=decode,
    classes=columns_of_logits,
    # top_k 0 keeps as many as there are queries; classes before first_class are background.
    settings={"top_k": 0, "first_class": 0},
)

# Of torchvision's and timm's backbones.
IMAGENET = PixelRule(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
# One deviation for all channels, as nvinfer's one scale has it: NVIDIA's own configurations say 0.0173520736.
ONE_DEVIATION = PixelRule(mean=IMAGENET.mean, std=(0.226, 0.226, 0.226))
BACKGROUND_NAMES = ("bg", "background", "__background__")
# As transformers, NVIDIA's parsers and the rfdetr package name logits and boxes.
OUTPUTS = (("logits", "pred_boxes"), ("pred_logits", "pred_boxes"), ("labels", "dets"))


def tensors(facts: GraphFacts) -> dict[str, str]:
    """Return the outputs by role, empty where they have none of the known names."""
    found = (pair for pair in OUTPUTS if set(pair) <= facts.names)
    return dict(zip(("logits", "boxes"), next(found, ()), strict=False))


def _family(name: str, **facts: Any) -> Family:
    defaults: dict[str, Any] = {"tensors": tensors, "cluster_mode": 4, "default_threshold": 0.5}
    return Family(name=name, head=HEAD, example=example, **(defaults | facts))


def _told_by_columns(facts: GraphFacts) -> bool:
    """Tell queries whose last column is a class, or may be one for all that is known."""
    return queries(facts) and facts.side_inputs <= {"pixel_mask"} and background(facts) in (0, None)


def background_in_front(facts: GraphFacts) -> bool | None:
    """Tell by the first class's name whether column 0 is background; None where the names do not say.

    Their number says nothing: NVIDIA's labels.txt has a line for the background.
    """
    columns, first = facts.dims("pred_logits")[2], facts.class_names.get(0, "").strip().lower()
    if first in BACKGROUND_NAMES:
        return True
    return False if first not in ("", "n/a") and facts.class_count == columns else None


def _tao(first_class: int) -> Sign:
    """Return the sign of NVIDIA's names with or without a background in front; both match where nothing tells."""
    seen = f"pred_logits, pred_boxes, {'background first' if first_class else 'a class in each column'}"
    expected = (bool(first_class), None)
    return Sign(9, seen, lambda f: nvidia_queries(f) and background_in_front(f) in expected)


def nvidia_queries(facts: GraphFacts) -> bool:
    """Tell the two outputs of NVIDIA's DETR-like models."""
    return len(facts.dims("pred_logits")) == len(facts.dims("pred_boxes")) == 3


def _rf_detr(facts: GraphFacts) -> bool:
    """Tell boxes named dets beside raw scores named labels; MMDetection's labels are whole numbers."""
    boxes, scores = facts.dims("dets"), facts.dims("labels")
    return boxes[2:] == [4] and len(scores) == 3 and "float" in facts.dtype("labels")


FOCAL: dict[str, Any] = {"use_focal_loss": True}
# DETR's image processor; K is the default of its relatives' post-processing.
DETR_LIKE: dict[str, Any] = {"do_normalize_default": True, "settings": {"top_k": 100}, "pixels": IMAGENET}

FAMILIES = (
    _family(
        "sigmoid_queries",
        signs=(Sign(8, "logits, pred_boxes, one column for each class", _told_by_columns),),
    ),
    _family("rt_detr", architectures={"RTDetrForObjectDetection": "rt_detr"}, required_config=FOCAL),
    _family("rt_detr_v2", architectures={"RTDetrV2ForObjectDetection": "rt_detr_v2"}, required_config=FOCAL),
    _family("d_fine", architectures={"DFineForObjectDetection": "d_fine"}, required_config=FOCAL),
    _family(
        "conditional_detr",
        architectures={"ConditionalDetrForObjectDetection": "conditional_detr"},
        **DETR_LIKE,
    ),
    _family(
        "deformable_detr", architectures={"DeformableDetrForObjectDetection": "deformable_detr"}, **DETR_LIKE
    ),
    _family("dab-detr", architectures={"DabDetrForObjectDetection": "dab-detr"}, **DETR_LIKE),
    _family("lw_detr", architectures={"LwDetrForObjectDetection": "lw_detr"}, **DETR_LIKE),
    _family("deimv2", architectures={"Deimv2ForObjectDetection": "deimv2"}, required_config=FOCAL),
    _family(
        "rf_detr",
        architectures={"RfDetrForObjectDetection": "rf_detr"},
        do_normalize_default=True,
        pixels=IMAGENET,
    ),
    _family(
        "rf_detr_original",
        signs=(Sign(12, "dets [B, Q, 4], labels of floats", _rf_detr),),
        pixels=IMAGENET,
    ),
    _family("tao_detr", signs=(_tao(1),), settings={"first_class": 1}, pixels=ONE_DEVIATION),
    _family("tao_rt_detr", signs=(_tao(0),), pixels=PixelRule(padding="corner")),
)
