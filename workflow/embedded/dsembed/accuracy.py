"""How far a lower precision moves a model's outputs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# Of an output's range: an edge of a box moves by less than one pixel of a 320-pixel image.
TOLERANCE = 1 / 320
SCORE_OUTPUTS = ("logits", "scores")
BEST_ROWS_DIVISOR = 10


def probe_images(dims: tuple[int, ...], batch: int) -> np.ndarray:
    """Return float32 [batch, *dims]: in turn noise in -1..1, noise in 0..1 and smooth ramps with hard edges."""
    noise = np.random.default_rng(0)
    axis = np.linspace(0, 1, dims[-1], dtype=np.float32)
    ramps = np.broadcast_to((axis + (np.floor(axis * 8) % 2)) / 2, dims)
    kinds = (lambda: noise.uniform(-1, 1, dims), lambda: noise.uniform(0, 1, dims), lambda: ramps)
    return np.ascontiguousarray([kinds[number % len(kinds)]() for number in range(batch)], dtype=np.float32)


def output_difference(
    names: Sequence[str], reference: Sequence[np.ndarray], outputs: Sequence[np.ndarray]
) -> float:
    """Return the largest difference, as a share of the largest value of its output in `reference`.

    Of a query detector, whose outputs all are [batch, rows, values] and one is named as scores, each image's
    best-scored tenth of the reference's rows counts: the rows that become detections. Each is compared with
    the nearest row that no better one took, since a detector that picks its best candidates may order them
    otherwise. Of other models every value counts, in place.
    """
    scales = [max(float(np.abs(array).max()), np.finfo(np.float32).tiny) for array in reference]
    scaled = [
        [array.astype(np.float32) / scale for array, scale in zip(arrays, scales, strict=True)]
        for arrays in (reference, outputs)
    ]
    rows = {array.shape[1] if array.ndim == 3 else None for array in reference}
    scores = [array for name, array in zip(names, reference, strict=True) if name in SCORE_OUTPUTS]
    if len(rows) == 1 and None not in rows and scores:
        expected, found = (np.concatenate(arrays, axis=2) for arrays in scaled)
        differences = [
            _best_rows_difference(*image)
            for image in zip(scores[0].max(axis=2), expected, found, strict=True)
        ]
    else:
        differences = [np.abs(ref - out).max() for ref, out in zip(*scaled, strict=True)]
    return float(np.max(differences))


def _best_rows_difference(scores: np.ndarray, expected: np.ndarray, found: np.ndarray) -> float:
    free = np.ones(len(found), bool)
    differences = []
    for row in np.argsort(-scores, kind="stable")[: max(1, len(scores) // BEST_ROWS_DIVISOR)]:
        distances = np.where(free, np.abs(found - expected[row]).max(axis=1), np.inf)
        nearest = distances.argmin()
        free[nearest] = False
        differences.append(distances[nearest])
    return float(np.max(differences))
