"""The reference run: ONNX Runtime, the family's reference decoder and the reference clustering on decoded frames."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from dsbench.families import family_of
from dsbench.family import Family, Frame, Setting
from dsbench.kitti import Detection
from dsbench.nvinfer_pixels import NetworkInput, decoded
from dsbench.onnx_compare import answers, session
from dsbench.preprocessing import Preprocessing, preprocessing_of
from dsbench.reference_clustering import CLASS, HEIGHT, LEFT, SCORE, TOP, WIDTH, Placement, cluster, on_frame

# nvinfer's own where its configuration says none.
NVINFER_NMS_IOU = 0.3


@dataclass(frozen=True)
class Detector:
    """What inspect.json, labels.txt and the config say of one model; `tensors` are its outputs' names by role."""

    family: Family
    preprocessing: Preprocessing
    tensors: Mapping[str, str]
    settings: Mapping[str, Setting]
    labels: Sequence[str]
    threshold: float

    @property
    def thresholds(self) -> np.ndarray:
        """The threshold of each class."""
        return np.full(len(self.labels), self.threshold, np.float32)


def detector_of(inspect: Mapping[str, object], labels: Sequence[str], threshold: float | None) -> Detector:
    """Return the detector; `threshold` None takes the family's."""
    family = family_of(inspect)
    return Detector(
        family=family,
        preprocessing=preprocessing_of(inspect["preprocessing"]),
        tensors=inspect["tensors"],
        settings=inspect["settings"],
        labels=labels,
        threshold=family.default_threshold if threshold is None else threshold,
    )


def pictures(
    detector: Detector, video: Path, size: tuple[int, int], numbers: Sequence[int]
) -> Iterator[tuple[int, np.ndarray, Placement]]:
    """Yield number, tensor [1, 3, H, W] and place of these frames of a clip of `size` (width, height)."""
    network = NetworkInput(detector.preprocessing, *size)
    for number, frame in decoded(video, numbers):
        yield number, network.tensor(frame), network.place()


def decoded_rows(detector: Detector, outputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return what the reference decoder finds in one frame's `outputs` [1, ...]: rows in network pixels."""
    frame = Frame(
        tensors={role: outputs[name][0].astype(np.float64) for role, name in detector.tensors.items()},
        width=detector.preprocessing.width,
        height=detector.preprocessing.height,
        thresholds=detector.thresholds,
    )
    return detector.family.head.decode(frame, detector.settings)


def reference_boxes(
    detector: Detector, outputs: Mapping[str, np.ndarray], place: Placement
) -> list[Detection]:
    """Return one frame's boxes as a KITTI dump has them."""
    nms_iou = detector.family.nms_iou_threshold
    rows = cluster(
        decoded_rows(detector, outputs),
        detector.family.cluster_mode,
        detector.thresholds,
        NVINFER_NMS_IOU if nms_iou is None else nms_iou,
    )
    return detections(on_frame(rows, place), detector.labels)


def detections(rows: np.ndarray, labels: Sequence[str]) -> list[Detection]:
    """Return rows of class, left, top, width, height, score as detections."""
    return [
        Detection(
            label=labels[int(row[CLASS])],
            left=float(row[LEFT]),
            top=float(row[TOP]),
            right=float(row[LEFT] + row[WIDTH]),
            bottom=float(row[TOP] + row[HEIGHT]),
            confidence=float(row[SCORE]),
        )
        for row in rows
    ]


def run_reference(
    onnx_file: Path, detector: Detector, video: Path, size: tuple[int, int], numbers: Sequence[int]
) -> dict[int, list[Detection]]:
    """Return the reference boxes of these frames by number."""
    runner = session(onnx.load(onnx_file))
    return {
        number: reference_boxes(detector, answers(runner, pixels), place)
        for number, pixels, place in pictures(detector, video, size, numbers)
    }
