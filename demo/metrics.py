"""Detection metrics in the way of COCO: average precision over recall, exact matching by IoU."""

from dataclasses import dataclass

import numpy as np

from dsbench.boxes.matching import ious, matches

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


def hits(boxes: np.ndarray, true_boxes: np.ndarray, least_iou: float) -> np.ndarray:
    """Return for boxes in falling order of score whether each is the first on a true box."""
    found = matches(ious(boxes, true_boxes), least_iou)
    return np.isin(np.arange(len(boxes)), list(found))


def average_precision(images: list[Found], label: int, least_iou: float) -> float:
    """Return the mean over 101 recalls of the highest precision at that recall or more; nan without truth."""
    scores, correct, total = [], [], 0
    for image in images:
        mine = np.flatnonzero(image.labels == label)
        mine = mine[np.argsort(-image.scores[mine], kind="stable")]
        true = image.true_boxes[image.true_labels == label]
        total += len(true)
        scores.append(image.scores[mine])
        correct.append(hits(image.boxes[mine], true, least_iou))
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
            good += int(hits(image.boxes[mine], true, least_iou).sum())
    return good / detected, good / total
