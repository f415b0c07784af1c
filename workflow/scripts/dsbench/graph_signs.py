"""The signs by which a graph's family is told: predicates over its tensors, metadata and one answer."""

from collections.abc import Callable

import numpy as np

from dsbench.graph_facts import GraphFacts

COCO_WITH_BACKGROUND = 92
COCO_SIGMOID = (80, 91)
DISTANCE_BINS = 32
# Half precision rounds a sum of products a little above 1.
LARGEST_SCORE = 1.001
HALF = 0.5


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
