"""How far a lower precision moves a model's outputs."""

from __future__ import annotations

import numpy as np

# Of an output's range: an edge of a box moves by less than one pixel of a 320-pixel image.
TOLERANCE = 1 / 320
LARGEST_ROWS_MATCHED = 1024


def probe_images(dims: tuple[int, ...], batch: int) -> np.ndarray:
    """Return float32 [batch, *dims]: in turn noise in -1..1, noise in 0..1 and smooth ramps with hard edges."""
    noise = np.random.default_rng(0)
    axis = np.linspace(0, 1, dims[-1], dtype=np.float32)
    ramps = np.broadcast_to((axis + (np.floor(axis * 8) % 2)) / 2, dims)
    kinds = (lambda: noise.uniform(-1, 1, dims), lambda: noise.uniform(0, 1, dims), lambda: ramps)
    return np.ascontiguousarray([kinds[number % len(kinds)]() for number in range(batch)], dtype=np.float32)


def output_difference(reference: list[np.ndarray], outputs: list[np.ndarray]) -> float:
    """Return the 95th percentile of the differences, each as a share of the largest value of its output.

    Outputs that all are [batch, rows, values] with the same rows are compared row by row, each row of
    the reference with the nearest one: a detector that picks its best candidates may order them otherwise.
    """
    scales = [max(float(np.abs(array).max()), np.finfo(np.float32).tiny) for array in reference]
    scaled = [
        [array.astype(np.float32) / scale for array, scale in zip(arrays, scales, strict=True)]
        for arrays in (reference, outputs)
    ]
    rows = {array.shape[1] if array.ndim == 3 else None for array in reference}
    if len(rows) == 1 and None not in rows and max(rows) <= LARGEST_ROWS_MATCHED:
        expected, found = (np.concatenate(arrays, axis=2) for arrays in scaled)
        differences = [_nearest_rows(*images) for images in zip(expected, found, strict=True)]
    else:
        differences = [np.abs(ref - out).ravel() for ref, out in zip(*scaled, strict=True)]
    return float(np.quantile(np.concatenate(differences), 0.95))


def _nearest_rows(expected: np.ndarray, found: np.ndarray) -> np.ndarray:
    return np.array([np.abs(found - row).max(axis=1).min() for row in expected])
