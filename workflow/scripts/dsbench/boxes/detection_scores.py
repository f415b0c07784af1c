"""Detections of one network's run in pixels of the frame, and how far two runs agree about them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dsbench.boxes.clustering import without_overlaps
from dsbench.boxes.matching import SAME_OBJECT_IOU, SCORE, TrimmedMean, ious_in_class, matches
from dsbench.families.family import Family, FrameTensors, HeadFacts, Setting
from dsbench.intake.labels import read_labels
from dsbench.pixels.reference_preprocessing import Picture

# More than this no run shows; a wrong scale can make a dense head fire everywhere.
MOST_OBJECTS = 1000
# An object just above the threshold on one side may be just below it on the other.
LOWER_THRESHOLD = 0.5


@dataclass(frozen=True)
class Decoder:
    """How a model's output tensors become detections; `tensors` names each role's, `threshold` is a score."""

    family: Family
    tensors: Mapping[str, str]
    settings: Mapping[str, Setting]
    classes: int
    threshold: float

    def rows(
        self,
        outputs: Mapping[str, np.ndarray],
        size: tuple[int, int],
        picture: Picture,
        frame: tuple[int, int],
    ) -> np.ndarray:
        """Return [N, 6] class, left, top, right, bottom, score of a batch's first image, best first.

        `size` is the network's height and width, `frame` the frame's, in whose pixels the boxes are. It goes
        down to half the threshold; where nvinfer would cluster, each class's overlapping boxes are dropped.
        """
        thresholds = np.full(self.classes, self.threshold * LOWER_THRESHOLD)
        tensors = {role: outputs[name][0].astype(np.float64) for role, name in self.tensors.items()}
        found = self.family.head.decode(
            FrameTensors(tensors, size[1], size[0], thresholds, picture.shift), self.settings
        )
        found = found[:MOST_OBJECTS]
        corners = np.hstack([found[:, 1:3], found[:, 1:3] + found[:, 3:5]])
        rows = np.column_stack([found[:, 0], picture.to_frame(corners, frame[1], frame[0]), found[:, 5]])
        rows = rows[(rows[:, 3] > rows[:, 1]) & (rows[:, 4] > rows[:, 2])]
        limit = self.family.nms_iou_threshold
        return rows if limit is None else without_overlaps(rows, limit)


def decoder_of(family: Family, head: HeadFacts, labels: Path, threshold: float | None) -> Decoder:
    """Return the decoder of a model; None takes the family's threshold, labels.txt counts where the graph cannot."""
    return Decoder(
        family,
        head.tensors,
        head.settings,
        head.class_count or len(read_labels(labels)),
        family.default_threshold if threshold is None else threshold,
    )


def likeness(wanted: Sequence[np.ndarray], found: Sequence[np.ndarray], threshold: float) -> float | None:
    """Return 0..1: the mean over all objects that either run has, None where there is none.

    An object that both have, in one class and at an IoU of at least 0.5, counts IoU x (1 - difference of the
    scores); one that a single run has counts 0. One of the two scores is above the threshold.
    """
    values = [value for pair in zip(wanted, found, strict=True) for value in _values(*pair, threshold)]
    return float(np.mean(values)) if values else None


def _values(wanted: np.ndarray, found: np.ndarray, threshold: float) -> list[float]:
    overlaps = ious_in_class(wanted, found)
    pairs = matches(overlaps, SAME_OBJECT_IOU)
    values = [
        overlaps[row, column] * (1 - abs(wanted[row, SCORE] - found[column, SCORE]))
        for row, column in pairs.items()
        if max(wanted[row, SCORE], found[column, SCORE]) > threshold
    ]
    alone = [np.delete(wanted, list(pairs), axis=0), np.delete(found, list(pairs.values()), axis=0)]
    return values + [0.0] * len(above(alone, threshold))


@dataclass(frozen=True)
class Closeness:
    """How near a run's boxes lie to the wanted ones.

    `mean_overlap` is the IoU over all wanted objects, 0 for one that is not found; None where none is wanted. `shift`
    is how many pixels of the frame the centres of those found lie too far right, and too far down, each a trimmed mean;
    None without any.
    """

    mean_overlap: float | None
    shift: tuple[float, float] | None


def closeness(wanted: Sequence[np.ndarray], found: Sequence[np.ndarray], threshold: float) -> Closeness:
    """Return how near the boxes that were found lie to those wanted with a score above the threshold."""
    overlaps, moves = [], []
    for frame, rows in zip(wanted, found, strict=True):
        objects = frame[frame[:, SCORE] > threshold]
        ious = ious_in_class(objects, rows)
        pairs = matches(ious, SAME_OBJECT_IOU)
        overlaps += [ious[row, pairs[row]] if row in pairs else 0.0 for row in range(len(objects))]
        moves += [(rows[column, 1:5] - objects[row, 1:5]) for row, column in pairs.items()]
    if not moves:
        return Closeness(float(np.mean(overlaps)) if overlaps else None, None)
    centres = np.reshape(moves, (-1, 2, 2)).mean(axis=1)
    right, down = (TrimmedMean.of(along).value or 0.0 for along in centres.T)
    return Closeness(float(np.mean(overlaps)), (right, down))


def above(frames: Sequence[np.ndarray], threshold: float) -> np.ndarray:
    """Return the scores above the threshold, of all frames."""
    scores = np.concatenate([rows[:, SCORE] for rows in frames])
    return scores[scores > threshold]
