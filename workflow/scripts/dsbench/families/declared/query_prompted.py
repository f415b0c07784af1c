"""Query detectors whose classes are a frozen prompt: OWL-ViT, OWLv2, Grounding DINO."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from dsbench.families.declared.query_sigmoid import IMAGENET, columns_of_logits, example
from dsbench.families.family import Family, FrameTensors, Head, PixelRule, Setting, named
from dsbench.families.reference_decoders import corners_of_centres, detection_rows, sigmoid


def decode(frame: FrameTensors, settings: Mapping[str, Setting]) -> np.ndarray:
    """Return each query's best phrase, as transformers' OwlViTProcessor does."""
    scores = sigmoid(frame.tensors["logits"])
    corners = corners_of_centres(frame.tensors["boxes"]) * ([frame.width, frame.height] * 2)
    return detection_rows(frame, scores.argmax(axis=1), scores.max(axis=1), corners)


HEAD = Head(
    parser_source="best_class_queries.cpp",
    parser_symbol="NvDsInferParseCustomBestClassQueries",
    roles=("logits", "boxes"),
    decode=decode,
    classes=columns_of_logits,
)


def _family(name: str, architecture: str, **facts: Any) -> Family:
    return Family(
        name=name,
        head=HEAD,
        tensors=named(logits="logits", boxes="pred_boxes"),
        example=example,
        architectures={architecture: name},
        do_normalize_default=True,
        **facts,
    )


CLIP = PixelRule(mean=(0.48145466, 0.4578275, 0.40821073), std=(0.26862954, 0.26130258, 0.27577711))
# Neighbouring patches of OWL see the same object.
OWL: dict[str, Any] = {"cluster_mode": 2, "nms_iou_threshold": 0.3, "default_threshold": 0.1}

FAMILIES = (
    _family("owlvit", "OwlViTForObjectDetection", pixels=CLIP, **OWL),
    _family("owlv2", "Owlv2ForObjectDetection", pixels=replace(CLIP, padding="corner"), **OWL),
    _family(
        "grounding-dino",
        "GroundingDinoForObjectDetection",
        cluster_mode=4,
        default_threshold=0.25,
        pixels=IMAGENET,
    ),
)
