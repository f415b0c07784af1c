"""The signs of heads with one row for each cell: what column 4 is, and whether boxes are decoded."""

import numpy as np

from dsbench.family import Sign
from dsbench.graph_facts import GraphFacts
from dsbench.graph_signs import column, dense, dense_p6, end_to_end, integers, scores

COCO_CLASSES = 80
BOX = 4
BOX_AND_OBJECTNESS = 5


def deepstream_yolo(facts: GraphFacts) -> bool:
    """Tell the names that DeepStream-Yolo's exporters give."""
    return set(facts.inputs) | facts.names == {"input", "output"}


def rows_are_final(facts: GraphFacts) -> bool | None:
    """Return whether rows of 6 are corners, score and class, False for a box, objectness and one class.

    The exporters' names tell, else whether the last column is whole numbers; None where the graph was not run.
    """
    if deepstream_yolo(facts):
        return True
    if set(facts.inputs) == {"images"}:
        return False
    return None if facts.rows is None else column(facts, 5, integers)


def five_and_classes(facts: GraphFacts) -> bool:
    """Tell classes behind a box and its objectness, or what may be for all that is known."""
    if end_to_end(facts) and rows_are_final(facts):
        return False
    if facts.rows is not None and not column(facts, slice(BOX, None), scores):
        return False
    return isinstance(facts.only[2], int) and facts.only[2] > BOX_AND_OBJECTNESS


def one_score(facts: GraphFacts) -> bool:
    """Tell a decoded box and one score for each anchor: that of the only class, or the objectness of no class."""
    anchors = [number * cells for number in (1, 3) for cells in (facts.cells, dense_p6(facts))]
    if not any(dense(facts, count, 1) for count in anchors) or facts.only[2] != BOX + 1:
        return False
    return facts.rows is None or (column(facts, BOX, scores) and not in_cells(facts))


def in_cells(facts: GraphFacts) -> bool:
    """Tell centres that are offsets within a cell: nearly all stay within a few units, pixels reach over the image."""
    return column(
        facts, slice(0, 2), lambda centres: np.quantile(abs(centres), 0.9) < min(facts.image_size) / 4
    )


def grid_families(facts: GraphFacts) -> set[str]:
    """Return the families that one row for each cell may belong to: one, or several where nothing tells."""
    if not dense(facts, facts.cells, 1) or not five_and_classes(facts):
        return set()
    columns = facts.only[2]
    classes = COCO_CLASSES if facts.class_count is None else facts.class_count
    if columns - classes == BOX:
        return {"yolo_v8_transposed"}
    if facts.rows is None:
        return {"yolo_v6", "yolox", "yolox_raw"}
    if column(facts, 4, lambda objectness: (objectness == 1).all()):
        return {"yolo_v6"}
    if in_cells(facts):
        return {"yolox_raw"}
    return {"yolox"}


def grid_signs(family: str, seen: str) -> tuple[Sign, Sign]:
    """Return the family's signs: rows of 6, which another kind of head has too, and rows of any other width."""
    return (
        Sign(19, seen, lambda facts: end_to_end(facts) and family in grid_families(facts)),
        Sign(23, seen, lambda facts: family in grid_families(facts)),
    )
