"""The signs by which a graph's family is told: predicates over its tensors, metadata and answers."""

from collections.abc import Callable

import numpy as np

from dsbench.families.family import Sign
from dsbench.families.graph_facts import GraphFacts

COCO_WITH_BACKGROUND = 92
COCO_SIGMOID = (80, 91)
DISTANCE_BINS = 32
# Half precision rounds a sum of products a little above 1.
LARGEST_SCORE = 1.001
HALF = 0.5
COCO_CLASSES = 80
BOX = 4
BOX_AND_OBJECTNESS = 5


def ultralytics(f: GraphFacts) -> bool:
    """Tell whether Ultralytics' exporter wrote the file."""
    return f.metadata.get("author") == "Ultralytics"


def end_to_end(f: GraphFacts) -> bool:
    """Tell rows of 6, the form of final detections."""
    return len(f.only) == 3 and f.only[2] == 6


def queries(f: GraphFacts) -> bool:
    """Tell the two outputs of Hugging Face's DETR-like models."""
    boxes, logits = f.dims("pred_boxes"), f.dims("logits")
    return len(boxes) == 3 and boxes[2] in (4, "?") and len(logits) == 3


def background(f: GraphFacts) -> int | None:
    """Return 1 where the last column is the background, 0 where there is none, None where nothing tells.

    A column more than names may stand at either end, so where the graph was run its answer has to prove it.
    """
    columns = f.dims("logits")[2]
    # transformers counts the names; ids that begin at 1 or have gaps reach further.
    counts = {f.class_count, len(f.class_names) or f.class_count}
    told = {
        columns - count for count in counts if isinstance(columns, int) and count in (columns, columns - 1)
    }
    if not told:
        told = {1} if columns == COCO_WITH_BACKGROUND else {0} if columns in COCO_SIGMOID else set()
    if len(told) != 1 or background_seen(f) not in (None, bool(max(told))):
        return None
    return told.pop()


def background_seen(f: GraphFacts) -> bool | None:
    """Tell whether most queries are sure to be the last column, as no class of a real picture is; None if not run.

    A sigmoid of a number above 0 is a detection: a head without a background has but a few in a picture.
    """
    if "logits" not in f.answers:
        return None
    last = f.answers["logits"][0][:, -1]
    return bool(((last > 0) & (last == f.answers["logits"][0].max(axis=1))).mean() > HALF)


def dense(f: GraphFacts, cells: int, axis: int) -> bool:
    """Tell one output with a row for each of `cells` along `axis`."""
    dims = f.only
    return len(dims) == 3 and cells > 0 and dims[axis] == cells


def dense_p6(f: GraphFacts) -> int:
    """Return the number of cells with stride 64 beside 8, 16 and 32."""
    height, width = f.image_size
    return f.cells + (height // 64) * (width // 64)


def distance_cells(f: GraphFacts) -> int:
    """Return the number of cells of NanoDet's four strides, which round up."""
    height, width = f.image_size
    return sum(-(-height // stride) * -(-width // stride) for stride in (8, 16, 32, 64))


def column(f: GraphFacts, index: int | slice, test: Callable[[np.ndarray], bool]) -> bool:
    """Tell whether columns of the one answer pass `test`; False where it was not run."""
    return f.rows is not None and f.rows.ndim == 2 and bool(test(f.rows[:, index]))


def scores(values: np.ndarray) -> bool:
    """Tell whether all numbers may be final scores; logits, distances and key points leave 0 to 1."""
    return bool(((values >= 0) & (values <= LARGEST_SCORE)).all())


def ends_in_angle(numbers: np.ndarray, class_count: int | None, has_rows: bool = False) -> bool:
    """Tell rows [K, N] of scores whose last is an angle in radians instead: -pi/4 to 3/4 pi, or 0 to pi/2.

    It leaves 0 to 1, or, where no name says that it is a class, is as large for most anchors as no class is. A head
    that `has_rows`, one for each cell, may have an objectness: the score of its one class is large where no object is.
    """
    others, last = numbers[:-1], numbers[-1]
    if not len(others) or not scores(others) or integers(last) or np.abs(last).max() > np.pi:
        return False
    if not scores(last[None]):
        return True
    if has_rows and len(others) == 1:
        return False
    usual = np.median(last)
    return class_count != len(numbers) and usual > 0.2 and usual > 10 * np.median(others.max(axis=0))


def integers(values: np.ndarray) -> bool:
    """Tell whether all numbers are whole."""
    return bool((values == np.round(values)).all())


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
