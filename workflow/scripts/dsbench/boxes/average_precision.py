"""How good boxes are, as users measure: COCO's average precision, mean IoU and shift, by class and by size."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dsbench.boxes.kitti import Frames
from dsbench.boxes.matching import (
    CORNERS,
    SAME_OBJECT_IOU,
    TrimmedMean,
    as_rows,
    best_first,
    ious_in_class,
    matches,
)

# COCO's bounds of the area of a small, a medium and a large object, in pixels of the frame.
SIZES = {"small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, 1e10)}
EVERY_SIZE = (0, 1e10)
# COCO's thresholds 0.5, 0.55 ... 0.95, and the places of three of them.
IOUS = np.linspace(0.5, 0.95, 10)
AT_50, AT_75, AT_90 = 0, 5, 8
NOT_MEASURED = -1.0


@dataclass(frozen=True)
class Scores:
    """How well the objects of one class, or of one size, are found; what cannot be told is None.

    `ap` is the mean over the IoUs 0.5, 0.55 ... 0.95. `matched` boxes share an IoU of 0.5 with an object of their
    class: `mean_iou` is theirs, and `shift_x_px` and `shift_y_px` are how far their centres lie right of and below
    the object's, in pixels of the network, with the standard errors `error_x_px` and `error_y_px`: trimmed means, so
    that single boxes that lie far aside do not count.
    """

    name: str
    objects: int
    matched: int
    ap: float | None
    ap_50: float | None
    ap_75: float | None
    ap_90: float | None
    mean_iou: float | None
    shift_x_px: float | None
    shift_y_px: float | None
    error_x_px: float | None
    error_y_px: float | None


@dataclass(frozen=True)
class Accuracy:
    """The scores over all classes, whose AP is the mean of the classes', then of each size and of each class."""

    every: Scores
    sizes: list[Scores]
    classes: list[Scores]


def accuracy(found: Frames, truth: Frames, network_px: tuple[float, float]) -> Accuracy:
    """Return how well the boxes `found` are those of `truth`, which has the same frames.

    `network_px` is how many pixels of the frame one of the network's covers in x and y. A class that the truth does
    not have does not count.
    """
    if found.keys() != truth.keys():
        raise ValueError(f"the boxes are of {len(found)} frames and the truth of {len(truth)}, not the same")
    ids: dict[str, int] = {}
    rows = [
        (as_rows(best_first(found[number]), ids), as_rows(objects, ids)) for number, objects in truth.items()
    ]
    labels = sorted(set(ids) & {box.label for boxes in truth.values() for box in boxes})
    # faster-coco-eval has the classes in the order of their numbers, whatever order it is given.
    classes = sorted(ids[label] for label in labels)
    precisions = _precisions(rows, classes)
    pairs = np.concatenate([np.empty((0, 5)), *(_pairs(*frame, network_px) for frame in rows)])
    objects = np.concatenate([np.empty((0, 2)), *(_class_and_area(true) for _, true in rows)])

    def scores(name: str, of_class: int | None, bounds: tuple[float, float], size: int) -> Scores:
        column = slice(None) if of_class is None else classes.index(of_class)
        return _scores(
            name,
            _chosen(objects, of_class, bounds),
            _chosen(pairs, of_class, bounds),
            precisions[:, :, column, size],
        )

    return Accuracy(
        scores("all", None, EVERY_SIZE, 0),
        [scores(name, None, bounds, size) for size, (name, bounds) in enumerate(SIZES.items(), 1)],
        [scores(label, ids[label], EVERY_SIZE, 0) for label in labels],
    )


def _precisions(rows: Sequence[tuple[np.ndarray, np.ndarray]], classes: Sequence[int]) -> np.ndarray:
    """Return COCO's precision [IoU, recall, class, size] with every size first, -1 where there is no object."""
    # It loads OpenCV, and who only reads scores needs neither.
    from faster_coco_eval import COCO, COCOeval_faster

    annotations = [
        _annotation(number, row) | {"iscrowd": 0} for number, (_, true) in enumerate(rows) for row in true
    ]
    results = [
        _annotation(number, row) | {"score": row[5]}
        for number, (found, _) in enumerate(rows)
        for row in found
        if row[0] in classes
    ]
    if not annotations or not results:
        value = 0.0 if annotations else NOT_MEASURED
        return np.full((len(IOUS), 1, len(classes), 1 + len(SIZES)), value)
    for number, annotation in enumerate(annotations, 1):
        annotation["id"] = number
    truth = COCO(
        {
            "images": [{"id": number} for number in range(len(rows))],
            "annotations": annotations,
            "categories": [{"id": number} for number in classes],
        }
    )
    evaluation = COCOeval_faster(truth, truth.loadRes(results), "bbox", print_function=lambda *_: None)
    evaluation.params.iouThrs = IOUS
    evaluation.params.areaRng = [EVERY_SIZE, *SIZES.values()]
    evaluation.params.areaRngLbl = ["all", *SIZES]
    # COCO counts the best 100 of an image; here all of them count.
    evaluation.params.maxDets = [max(1, *(len(found) for found, _ in rows))]
    evaluation.evaluate()
    evaluation.accumulate()
    return evaluation.eval["precision"][..., 0]


def _annotation(image: int, row: np.ndarray) -> dict[str, object]:
    left, top, right, bottom = row[CORNERS].tolist()
    width, height = right - left, bottom - top
    return {
        "image_id": image,
        "category_id": int(row[0]),
        "bbox": [left, top, width, height],
        "area": width * height,
    }


def _class_and_area(rows: np.ndarray) -> np.ndarray:
    sides = rows[:, 3:5] - rows[:, 1:3]
    return np.column_stack([rows[:, 0], sides.prod(axis=1)])


def _pairs(found: np.ndarray, true: np.ndarray, network_px: tuple[float, float]) -> np.ndarray:
    """Return class and area of each object that is found, the IoU, and the shift in network pixels: [N, 5]."""
    overlaps = ious_in_class(found, true)
    met = matches(overlaps, SAME_OBJECT_IOU)
    one, other = found[list(met)], true[list(met.values())]
    centres = [(rows[:, 1:3] + rows[:, 3:5]) / 2 for rows in (one, other)]
    overlap = overlaps[list(met), list(met.values())]
    return np.column_stack([_class_and_area(other), overlap, (centres[0] - centres[1]) / network_px])


def _chosen(rows: np.ndarray, of_class: int | None, bounds: tuple[float, float]) -> np.ndarray:
    """Return the rows, of which the first columns are class and area, of a class and of a range of areas."""
    inside = (rows[:, 1] >= bounds[0]) & (rows[:, 1] < bounds[1])
    return rows[inside if of_class is None else inside & (rows[:, 0] == of_class)]


def _scores(name: str, objects: np.ndarray, pairs: np.ndarray, precisions: np.ndarray) -> Scores:
    matched = len(pairs)
    overlaps, right, down = pairs[:, 2], TrimmedMean.of(pairs[:, 3]), TrimmedMean.of(pairs[:, 4])
    ap, ap_50, ap_75, ap_90 = (
        _mean(precisions[at][precisions[at] > NOT_MEASURED]) if len(objects) else None
        for at in (slice(None), AT_50, AT_75, AT_90)
    )
    return Scores(
        name=name,
        objects=len(objects),
        matched=matched,
        ap=ap,
        ap_50=ap_50,
        ap_75=ap_75,
        ap_90=ap_90,
        mean_iou=_mean(overlaps),
        shift_x_px=right.value,
        shift_y_px=down.value,
        error_x_px=right.error,
        error_y_px=down.error,
    )


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if values.size else None
