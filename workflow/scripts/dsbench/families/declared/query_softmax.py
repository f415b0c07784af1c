"""Query detectors with a softmax over the classes and a background behind them: DETR, YOLOS, Table Transformer."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from dsbench.families.declared.query_sigmoid import IMAGENET, background_in_front, nvidia_queries, tensors
from dsbench.families.family import Family, FrameTensors, Head, RoleDims, Setting, Sign
from dsbench.families.graph_facts import GraphFacts
from dsbench.families.graph_signs import background, queries
from dsbench.families.reference_decoders import corners_of_centres, detection_rows, softmax


def decode(frame: FrameTensors, settings: Mapping[str, Setting]) -> np.ndarray:
    """Return each query's best class but the background, as transformers' DetrImageProcessor does."""
    scores = softmax(frame.tensors["logits"])[:, :-1]
    corners = corners_of_centres(frame.tensors["boxes"]) * ([frame.width, frame.height] * 2)
    return detection_rows(frame, scores.argmax(axis=1), scores.max(axis=1), corners)


def columns_but_background(dims: RoleDims, settings: Mapping[str, Setting]) -> int | None:
    """Return the last dim of the logits less the background's column."""
    return dims["logits"][2] - 1 if isinstance(dims["logits"][2], int) else None


def example(random: np.random.Generator, classes: int, width: int, height: int) -> dict[str, np.ndarray]:
    """Return 100 queries of which most are background."""
    logits = random.normal(0.0, 1.0, (100, classes + 1))
    logits[:, -1] += 3.0
    objects = random.choice(100, 12, replace=False)
    logits[objects, random.integers(0, classes, 12)] += 8.0
    boxes = np.hstack([random.uniform(0, 1, (100, 2)), random.uniform(0.01, 0.5, (100, 2))])
    return {"logits": logits, "boxes": boxes}


HEAD = Head(
    parser_source="softmax_queries.cpp",
    parser_symbol="NvDsInferParseCustomSoftmaxQueries",
    roles=("logits", "boxes"),
    decode=decode,
    classes=columns_but_background,
    background_behind=True,
)


def _family(name: str, **facts: Any) -> Family:
    return Family(
        name=name,
        head=HEAD,
        tensors=tensors,
        example=example,
        cluster_mode=4,
        default_threshold=0.5,
        do_normalize_default=True,
        pixels=IMAGENET,
        **facts,
    )


def _told_by_columns(facts: GraphFacts) -> bool:
    """Tell queries whose last column is the background, or may be for all that is known."""
    return queries(facts) and facts.side_inputs <= {"pixel_mask"} and background(facts) in (1, None)


def _as_detrs_authors_export(facts: GraphFacts) -> bool:
    """Tell NVIDIA's names, which are also those of DETR's own repository, where the last column may be background."""
    if not nvidia_queries(facts) or background_in_front(facts) is not None:
        return False
    return facts.class_count is None or facts.class_count + 1 == facts.dims("pred_logits")[2]


FAMILIES = (
    _family(
        "softmax_queries",
        signs=(
            Sign(8, "logits, pred_boxes, last column the background", _told_by_columns),
            Sign(9, "pred_logits, pred_boxes, last column the background", _as_detrs_authors_export),
        ),
    ),
    _family("detr", architectures={"DetrForObjectDetection": "detr"}),
    _family("table-transformer", architectures={"TableTransformerForObjectDetection": "table-transformer"}),
    _family("yolos", architectures={"YolosForObjectDetection": "yolos"}),
)
