"""Query detectors with one sigmoid for each class and no background: RT-DETR and its relatives."""

from collections.abc import Mapping

import numpy as np

from dsbench.family import Dims, Family, Frame, Head, Setting, Sign, named
from dsbench.graph_facts import GraphFacts
from dsbench.graph_signs import background, queries
from dsbench.reference_boxes import corners_of_centres, detection_rows, sigmoid


def decode(frame: Frame, settings: Mapping[str, Setting]) -> np.ndarray:
    """Return the best top_k of all (query, class) scores, as transformers' RTDetrImageProcessor does."""
    logits, boxes = frame.tensors["logits"], frame.tensors["boxes"]
    scores = sigmoid(logits)
    scores[:, : settings["first_class"]] = 0.0
    scores = scores.ravel()
    best = np.argsort(-scores, kind="stable")[: settings["top_k"] or len(logits)]
    query, label = np.divmod(best, logits.shape[1])
    corners = corners_of_centres(boxes)[query] * ([frame.width, frame.height] * 2)
    return detection_rows(frame, label, scores[best], corners)


def columns_of_logits(dims: Dims, settings: Mapping[str, Setting]) -> int | None:
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
HF_TENSORS = named(logits="logits", boxes="pred_boxes")


def _family(name: str, **facts: object) -> Family:
    defaults = {"tensors": HF_TENSORS, "cluster_mode": 4, "default_threshold": 0.5}
    return Family(name=name, head=HEAD, example=example, **(defaults | facts))


def _told_by_columns(facts: GraphFacts) -> bool:
    """Tell queries whose last column is a class, or may be one for all that is known."""
    return queries(facts) and facts.side_inputs <= {"pixel_mask"} and background(facts) in (0, None)


FOCAL = {"use_focal_loss": True}
# DETR's image processor; K is the default of its relatives' post-processing.
DETR_LIKE = {"do_normalize_default": True, "settings": {"top_k": 100}}

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
    _family("rf_detr", architectures={"RfDetrForObjectDetection": "rf_detr"}, do_normalize_default=True),
)
