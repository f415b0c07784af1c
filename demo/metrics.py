"""Detection metrics in the way of COCO: average precision over recall, exact matching by IoU."""

from dataclasses import dataclass

import numpy as np

RECALLS = np.linspace(0, 1, 101)
THRESHOLDS = np.linspace(0.5, 0.95, 10)


@dataclass(frozen=True)
class Found:
    """One image: detections (labels [D], scores [D], boxes [D, 4]) and truth (labels [T], boxes [T, 4]).

    Boxes are (l, t, r, b) in pixels.
    """

    labels: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray
    true_labels: np.ndarray
    true_boxes: np.ndarray


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the intersection over union of every box of `a` [N, 4] with every box of `b` [M, 4]: [N, M]."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(1) for boxes in (a, b)]
    return shared / np.maximum(areas[0][:, None] + areas[1][None] - shared, 1e-9)


def hits(overlap: np.ndarray, least_iou: float) -> np.ndarray:
    """Return for detections in falling order of score (rows) whether each is the first on a true box (columns)."""
    free = np.ones(overlap.shape[1], bool)
    hit = np.zeros(len(overlap), bool)
    for row, values in enumerate(overlap):
        usable = np.where(free, values, -1.0)
        if len(usable) and usable.max() >= least_iou:
            free[usable.argmax()], hit[row] = False, True
    return hit


def average_precision(images: list[Found], label: int, least_iou: float) -> float:
    """Return the mean over 101 recalls of the highest precision at that recall or more; nan without truth."""
    scores, correct, total = [], [], 0
    for image in images:
        mine = np.flatnonzero(image.labels == label)
        mine = mine[np.argsort(-image.scores[mine], kind="stable")]
        true = image.true_boxes[image.true_labels == label]
        total += len(true)
        scores.append(image.scores[mine])
        correct.append(hits(iou(image.boxes[mine], true), least_iou))
    if not total:
        return float("nan")
    order = np.argsort(-np.concatenate(scores), kind="stable")
    good = np.cumsum(np.concatenate(correct)[order])
    recall, precision = good / total, good / np.arange(1, len(good) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(recall, RECALLS)
    return float(np.where(at < len(best), np.append(best, 0.0)[np.minimum(at, len(best))], 0.0).mean())


def precision_recall(images: list[Found], least_iou: float, least_score: float) -> tuple[float, float]:
    """Return precision and recall over all labels of the detections scored `least_score` or more."""
    good = detected = total = 0
    for image in images:
        total += len(image.true_labels)
        kept = image.scores >= least_score
        detected += int(kept.sum())
        for label in np.unique(image.labels[kept]):
            mine = np.flatnonzero(kept & (image.labels == label))
            mine = mine[np.argsort(-image.scores[mine], kind="stable")]
            true = image.true_boxes[image.true_labels == label]
            good += int(hits(iou(image.boxes[mine], true), least_iou).sum())
    return good / detected, good / total
