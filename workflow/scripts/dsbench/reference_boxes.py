"""Arithmetic that the reference decoders share: float64, plain, and as each family's definition writes it."""

import numpy as np

from dsbench.family import Frame


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-x)) without overflow."""
    return np.exp(-np.logaddexp(0.0, -np.asarray(logits, np.float64)))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the softmax along the last axis."""
    logits = np.asarray(logits, np.float64)
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def corners_of_centres(boxes: np.ndarray) -> np.ndarray:
    """Return left, top, right, bottom of boxes given as centre x, centre y, width, height."""
    boxes = np.asarray(boxes, np.float64)
    return np.hstack([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2])


def detection_rows(frame: Frame, classes: np.ndarray, scores: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Return a decoder's rows: those above their class's threshold, clipped to the network, best first.

    `corners` are left, top, right, bottom in network pixels. Equal scores keep their order; what is not finite,
    has no area inside the network, or a class without a threshold is left out.
    """
    classes = np.asarray(classes, np.int64)
    known = (classes >= 0) & (classes < len(frame.thresholds))
    limits = np.asarray(frame.thresholds, np.float64)[np.where(known, classes, 0)]
    usable = known & np.isfinite(corners).all(axis=1) & np.isfinite(scores) & (scores > limits)
    order = np.argsort(-scores[usable], kind="stable")
    kept = np.clip(corners[usable][order], 0, [frame.width, frame.height] * 2)
    extent = kept[:, 2:] - kept[:, :2]
    rows = np.column_stack([classes[usable][order], kept[:, :2], extent, scores[usable][order]])
    return rows[(extent > 0).all(axis=1)]
