"""Detectors whose one output is the detections: rows of a box, a score and a class."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from dsbench.families.family import Family, FrameTensors, Head, PixelRule, Setting, Sign
from dsbench.families.graph_facts import GraphFacts
from dsbench.families.graph_signs import (
    column,
    deepstream_yolo,
    dense_p6,
    end_to_end,
    integers,
    rows_are_final,
    ultralytics,
)
from dsbench.families.reference_decoders import (
    BOX_SETTINGS,
    FRACTIONS,
    PIXELS,
    detection_rows,
    example_detections,
    may_be_corners,
    pixel_corners,
    possible_units,
    whole_classes,
)

ROWS = range(100, 1001)


def decode(frame: FrameTensors, settings: Mapping[str, Setting]) -> np.ndarray:
    """Return the rows as they are, less those that are no known class."""
    rows = frame.tensors["rows"]
    corners = pixel_corners(frame, rows[:, :4], settings)
    return detection_rows(frame, whole_classes(rows[:, 5]), rows[:, 4], corners)


def example(
    settings: Mapping[str, Setting], random: np.random.Generator, classes: int, width: int, height: int
) -> dict[str, np.ndarray]:
    """Return 60 detections and the unused rows behind them."""
    found = example_detections(random, 60, classes, width, height, settings)
    return {"rows": np.vstack([np.column_stack(found), np.zeros((40, 6))])}


HEAD = Head(
    parser_source="final_rows.cpp",
    parser_symbol="NvDsInferParseCustomFinalRows",
    roles=("rows",),
    decode=decode,
    classes=lambda dims, settings: None,
    settings=BOX_SETTINGS,
)


def _tensors(facts: GraphFacts) -> Mapping[str, str]:
    if not end_to_end(facts) or facts.only_name is None:
        raise ValueError("no output of rows of 6")
    return {"rows": facts.only_name}


def _family(name: str, settings: Mapping[str, Setting], **facts: Any) -> Family:
    return Family(
        name=name,
        head=HEAD,
        tensors=_tensors,
        example=partial(example, BOX_SETTINGS | dict(settings)),
        settings=settings,
        default_threshold=0.25,
        **facts,
    )


def _named_rt_detr(facts: GraphFacts) -> bool:
    return (
        "RTDETR" in facts.metadata.get("head", "")
        or "RT-DETR" in facts.metadata.get("description", "").upper()
    )


def _named_end_to_end(facts: GraphFacts) -> bool:
    return facts.metadata.get("end2end", facts.metadata.get("head")) in ("True", "true", "v10Detect")


def _ends_in_a_class(facts: GraphFacts) -> bool:
    """Tell rows of 6 whose last number is a class id, not the score of a second class; True where not run."""
    return end_to_end(facts) and (facts.rows is None or column(facts, 5, integers))


def _boxes(facts: GraphFacts) -> np.ndarray | None:
    return None if facts.rows is None else facts.rows[:, :4]


def _may_be_centres(facts: GraphFacts) -> bool:
    boxes = _boxes(facts)
    return boxes is None or not (boxes[:, 2:] > 0).any() or not may_be_corners(boxes)


def _in_units(facts: GraphFacts, units: str) -> bool:
    """Tell a usual number of rows whose boxes are in these units, or may be for all that is known."""
    if not _ends_in_a_class(facts) or facts.only[1] not in ROWS:
        return False
    return units in possible_units(_boxes(facts), None if facts.rows is None else facts.rows[:, 4])


def _in_pixels(facts: GraphFacts) -> bool:
    return _in_units(facts, PIXELS) and may_be_corners(_boxes(facts))


def _may_be_sorted(facts: GraphFacts) -> bool:
    """Tell rows that are best first, as YOLO's end-to-end heads have them; a DETR's queries are in no order."""
    return facts.rows is None or ultralytics(facts) or bool((np.diff(facts.rows[:, 4]) <= 0).all())


def _a_row_for_each_cell(facts: GraphFacts) -> bool:
    """Tell DeepStream-Yolo's rows, which an objectness and one class may be for all that is known."""
    anchors = [number * cells for number in (1, 3) for cells in (facts.cells, dense_p6(facts))]
    if not end_to_end(facts) or facts.only[1] not in anchors:
        return False
    return rows_are_final(facts) is not False


LETTERBOX = PixelRule(padding="centre")

FAMILIES = (
    _family(
        "ultralytics_rt_detr",
        {"boxes": "centres", "fractions": True},
        cluster_mode=4,
        signs=(
            Sign(
                2,
                "Ultralytics RT-DETR, [B, k, 6]",
                lambda f: ultralytics(f) and _ends_in_a_class(f) and _named_rt_detr(f),
            ),
            Sign(
                20,
                "[B, k, 6], boxes as fractions",
                lambda f: _in_units(f, FRACTIONS) and _may_be_centres(f),
            ),
        ),
    ),
    _family(
        "yolo_end_to_end",
        {},
        cluster_mode=4,
        pixels=LETTERBOX,
        signs=(
            Sign(
                3,
                "Ultralytics end-to-end, [B, k, 6]",
                lambda f: ultralytics(f) and end_to_end(f) and _named_end_to_end(f),
            ),
            Sign(
                20,
                "[B, k, 6], boxes in pixels",
                lambda f: _in_pixels(f) and (_may_be_sorted(f) or not deepstream_yolo(f)),
            ),
        ),
    ),
    _family(
        "deepstream_yolo_rows",
        {},
        cluster_mode=2,
        nms_iou_threshold=0.45,
        pixels=LETTERBOX,
        signs=(Sign(19, "[B, N, 6] of final rows", _a_row_for_each_cell),),
    ),
    # RT-DETR, D-FINE and the like as DeepStream-Yolo exports them; they are trained on stretched frames.
    _family(
        "deepstream_yolo_queries",
        {},
        cluster_mode=4,
        signs=(
            Sign(
                20,
                "[B, k, 6], boxes in pixels, in no order",
                lambda f: _in_pixels(f) and not _may_be_sorted(f),
            ),
        ),
    ),
)
