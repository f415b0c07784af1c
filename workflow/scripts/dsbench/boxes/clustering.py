"""Which of overlapping boxes stay, and nvinfer's way from network pixels to the frame in its types and order."""

from collections.abc import Callable, Sequence

import numpy as np

from dsbench.boxes.matching import ious_in_class
from dsbench.pixels.nvinfer_pixels import Placement

NMS, NO_CLUSTERING = 2, 4
CLASS, LEFT, TOP, WIDTH, HEIGHT, SCORE = range(6)


def cluster(
    rows: np.ndarray, mode: int, thresholds: Sequence[float] | np.ndarray, nms_iou: float
) -> np.ndarray:
    """Return the rows that nvinfer keeps, class by class: float32 [N, 6] like `rows`.

    A row is class, left, top, width, height, score. `thresholds` has one score per class: what is below is
    dropped before clustering. Mode 2 keeps, best first, what overlaps no better row of its class by more than
    the IoU `nms_iou` and has a score above 0; mode 4 keeps everything in the parser's order.
    """
    if mode not in (NMS, NO_CLUSTERING):
        raise ValueError(f"cluster-mode {mode} has no reference, expected {NMS} or {NO_CLUSTERING}")
    rows = np.asarray(rows, np.float32).reshape(-1, 6)
    kept = []
    for class_id, threshold in enumerate(thresholds):
        of_class = rows[rows[:, CLASS] == class_id]
        # Written so that a score that is no number stays, as it does in nvinfer.
        of_class = of_class[~(of_class[:, SCORE] < np.float32(threshold))]
        kept.append(_nms(of_class, np.float32(nms_iou)) if mode == NMS else of_class)
    return np.concatenate([np.empty((0, 6), np.float32), *kept])


def without_overlaps(rows: np.ndarray, limit: float) -> np.ndarray:
    """Return the rows that overlap no better one that stays, of their class, by more than the IoU `limit`.

    A row is class, left, top, right, bottom, score; the best come first.
    """
    overlaps = ious_in_class(rows, rows)
    return rows[_staying(len(rows), limit, overlaps.__getitem__)]


def _nms(rows: np.ndarray, nms_iou: np.float32) -> np.ndarray:
    ranked = rows[np.argsort(-rows[:, SCORE], kind="stable")]
    stays = _staying(len(ranked), nms_iou, lambda index: _nvinfer_ious(ranked, ranked[index]))
    return ranked[stays & (ranked[:, SCORE] > 0)]


def _staying(count: int, limit: float | np.float32, overlaps_of: Callable[[int], np.ndarray]) -> np.ndarray:
    """Return for each of `count` boxes, best first, whether none that stays before it overlaps it by more."""
    stays = np.ones(count, bool)
    for index in range(count):
        if stays[index]:
            # Written so that an overlap that is no number suppresses, as it does in nvinfer.
            stays[index + 1 :] &= overlaps_of(index)[index + 1 :] <= limit
    return stays


def _nvinfer_ious(rows: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Return the IoU of each row with the one row `kept`, 0 where neither has an area; in nvinfer's order."""
    shared = np.ones(len(rows), np.float32)
    for start, size in ((LEFT, WIDTH), (TOP, HEIGHT)):
        starts, ends = rows[:, start], rows[:, start] + rows[:, size]
        other_start, other_end = kept[start], kept[start] + kept[size]
        is_behind = starts > other_start
        first_end, second_end = np.where(is_behind, other_end, ends), np.where(is_behind, ends, other_end)
        second_start = np.where(is_behind, starts, other_start)
        length = np.where(second_end < first_end, second_end, first_end) - second_start
        shared *= np.where(first_end < second_start, np.float32(0), length)
    either = rows[:, WIDTH] * rows[:, HEIGHT] + kept[WIDTH] * kept[HEIGHT] - shared
    return np.divide(shared, either, out=np.zeros_like(shared), where=either != 0)


def on_frame(rows: np.ndarray, place: Placement) -> np.ndarray:
    """Return the rows in the frame's pixels, float32 [N, 6]; one that reaches below the frame is dropped.

    Left and top are moved to 0 where they are negative, and the sizes stay.
    """
    found = np.array(rows, np.float32).reshape(-1, 6)
    found[:, LEFT] -= np.float32(place.left)
    found[:, TOP] -= np.float32(place.top)
    # The surface has even sides, whatever the video's are; nvinfer divides in float64 and rounds to float32.
    ratio_x = place.width / (place.frame_width & ~1)
    ratio_y = place.height / (place.frame_height & ~1)
    sides = [LEFT, TOP, WIDTH, HEIGHT]
    found[:, sides] = found[:, sides].astype(np.float64) / [ratio_x, ratio_y, ratio_x, ratio_y]
    found[:, [LEFT, TOP]] = np.maximum(found[:, [LEFT, TOP]], 0)
    return found[~(found[:, TOP] + found[:, HEIGHT] > np.float32(place.frame_height))]
