"""YOLOv4 as pytorch-YOLOv4 exports it: corners as fractions, and confidences that are final."""

from collections.abc import Mapping

import numpy as np

from dsbench.families.family import Family, FrameTensors, Head, RoleDims, Setting, Sign, named
from dsbench.families.graph_facts import GraphFacts
from dsbench.families.reference_decoders import (
    classes_beside,
    corners_of_centres,
    detection_rows,
    example_anchors,
    grid_cells,
)

ANCHORS_OF_A_CELL = 3


def decode(frame: FrameTensors, settings: Mapping[str, Setting]) -> np.ndarray:
    """Return each anchor's best class, as pytorch-YOLOv4's post_processing has them before it clusters."""
    scores = frame.tensors["confs"]
    corners = frame.tensors["boxes"][:, 0] * ([frame.width, frame.height] * 2)
    return detection_rows(frame, scores.argmax(axis=1), scores.max(axis=1), corners)


def columns_of_confs(dims: RoleDims, settings: Mapping[str, Setting]) -> int | None:
    """Return the last dim of the confidences; raise ValueError where the boxes are not [B, N, 1, 4]."""
    if list(dims["boxes"][2:]) != [1, 4]:
        raise ValueError(f"boxes are {dims['boxes']}, expected [B, N, 1, 4]")
    return classes_beside(dims["confs"], 2, 0)


def example(random: np.random.Generator, classes: int, width: int, height: int) -> dict[str, np.ndarray]:
    """Return the anchors of strides 8, 16 and 32 with three in each cell."""
    count = ANCHORS_OF_A_CELL * len(grid_cells(width, height))
    boxes, scores, _ = example_anchors(random, count, classes, width, height)
    corners = corners_of_centres(boxes) / ([width, height] * 2)
    return {"boxes": corners[:, None], "confs": scores}


HEAD = Head(
    parser_source="boxes_confs.cpp",
    parser_symbol="NvDsInferParseCustomBoxesConfs",
    roles=("boxes", "confs"),
    decode=decode,
    classes=columns_of_confs,
)


def _boxes_and_confs(facts: GraphFacts) -> bool:
    """Tell the exporter's two names, and boxes that have an axis for one class."""
    return {"boxes", "confs"} == facts.names and len(facts.dims("boxes")) == 4


FAMILIES = (
    Family(
        name="yolo_v4",
        head=HEAD,
        tensors=named(boxes="boxes", confs="confs"),
        example=example,
        signs=(Sign(26, "boxes [B, N, 1, 4], confs [B, N, C]", _boxes_and_confs),),
        # The thresholds of its demonstrations, which stretch the frame.
        cluster_mode=2,
        default_threshold=0.4,
        nms_iou_threshold=0.6,
    ),
)
