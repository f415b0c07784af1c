"""Detectors that end in TensorRT's NMS plugin: rows of image, class, score and box, and how many are in use."""

from collections.abc import Mapping

import numpy as np

from dsbench.families.family import Family, FrameTensors, Head, PixelRule, Setting, Sign, named
from dsbench.families.reference_decoders import (
    BOX_SETTINGS,
    detection_rows,
    example_detections,
    pixel_corners,
    whole_classes,
    whole_count,
)

COLUMNS = 7


def decode(frame: FrameTensors, settings: Mapping[str, Setting]) -> np.ndarray:
    """Return the counted rows as they are, less those that are no known class."""
    rows = frame.tensors["rows"].reshape(-1, COLUMNS)
    rows = rows[: whole_count(frame.tensors["count"].ravel()[0], len(rows))]
    corners = pixel_corners(frame, rows[:, 3:], settings)
    return detection_rows(frame, whole_classes(rows[:, 1]), rows[:, 2], corners)


def example(random: np.random.Generator, classes: int, width: int, height: int) -> dict[str, np.ndarray]:
    """Return 100 rows, as the plugin shapes them, of which the last 40 are left from another picture."""
    boxes, scores, labels = example_detections(random, 100, classes, width, height, SETTINGS)
    rows = np.column_stack([np.zeros(100), labels, scores, boxes])
    return {"rows": rows[None], "count": np.array([[[60]]])}


SETTINGS = BOX_SETTINGS | {"fractions": True}
HEAD = Head(
    parser_source="counted_rows.cpp",
    parser_symbol="NvDsInferParseCustomCountedRows",
    roles=("rows", "count"),
    decode=decode,
    classes=lambda dims, settings: None,
    settings=SETTINGS,
)

FAMILIES = (
    Family(
        name="tao_nms_rows",
        head=HEAD,
        tensors=named(rows="NMS", count="NMS_1"),
        example=example,
        cluster_mode=4,
        default_threshold=0.3,
        pixels=PixelRule(color="BGR", scale=1.0, mean=(103.939, 116.779, 123.68)),
        signs=(Sign(15, "NMS outputs", lambda f: {"NMS", "NMS_1"} <= f.names),),
    ),
)
