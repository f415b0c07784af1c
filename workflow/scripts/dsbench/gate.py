"""The gate between the single-stream run and the multi-stream runs: is the detector detecting?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from dsbench.errors import BuildError
from dsbench.kitti import Detection, Frames, count_per_class


class GateError(BuildError):
    """A single-stream run whose detections do not allow multi-stream runs; `result` holds what was found."""

    def __init__(self, message: str, result: dict[str, object]):
        super().__init__(message)
        self.result = result


def judge(
    frames: Frames, required_ratio: float = 0.9, expected_frames: int | None = None
) -> dict[str, object]:
    """Return the counts of a dump that passes: enough of its frames have a detection.

    `frames` come from `kitti.read_directory`; `expected_frames` is the number of frames in the video, where
    it is known. Raises GateError with the same counts, what was found and the likely cause.
    """
    detections = [detection for frame in frames.values() for detection in frame]
    with_detection = sum(1 for frame in frames.values() if frame)
    result = {
        "frames": len(frames),
        "frames_with_detection": with_detection,
        "ratio": with_detection / len(frames) if frames else None,
        "required_ratio": required_ratio,
        "passed": False,
        "detections": len(detections),
        "per_class": count_per_class(detections),
    }
    fault = _fault(result, sum(map(_implausible, detections)), expected_frames)
    if fault is not None:
        raise GateError(fault, result)
    return result | {"passed": True}


def _fault(result: dict[str, object], implausible: int, expected_frames: int | None) -> str | None:
    frames, hits, required = result["frames"], result["frames_with_detection"], result["required_ratio"]
    if frames == 0:
        return (
            "The KITTI dump has no frame; gie-kitti-output-dir is a key of deepstream-app's [application] "
            "group, not of the nvinfer file, and its directory must exist before the run."
        )
    if expected_frames is not None and frames != expected_frames:
        return (
            f"The KITTI dump has {frames} frames, the video {expected_frames}; the run ended early, which its log "
            "says, or deepstream-app's decoder shows other frames than FFmpeg's: encode the video again (ffmpeg -i "
            "OLD -an -c:v libx264 NEW.mp4) and name that file."
        )
    if implausible:
        return (
            f"{implausible} of {result['detections']} detections are no boxes with a confidence from 0 to 1; "
            "the parser does not zero-initialise its objects or was built for another object size "
            "(28 bytes from DeepStream 9 on, 24 before)."
        )
    if hits == 0:
        return (
            f"None of {frames} frames has a detection; most often net-scale-factor or offsets differ from "
            "the model's preprocessing, else pre-cluster-threshold is too high or the parser does not fit."
        )
    if hits < required * frames:
        return (
            f"{hits} of {frames} frames have a detection ({hits / frames:.1%}), {required:.0%} are required; "
            "check model-color-format, maintain-aspect-ratio and pre-cluster-threshold, and that the video "
            "shows the model's classes."
        )
    return None


def _implausible(detection: Detection) -> bool:
    corners = (detection.left, detection.top, detection.right, detection.bottom)
    inside_out = detection.right <= detection.left or detection.bottom <= detection.top
    return not all(map(math.isfinite, corners)) or inside_out or not 0.0 <= detection.confidence <= 1.0


@dataclass
class _Tally:
    """Matches of one class: their IoU, detections without a truth, truths without a detection."""

    ious: list[float] = field(default_factory=list)
    false_positives: int = 0
    false_negatives: int = 0

    def numbers(self) -> dict[str, object]:
        matched = len(self.ious)
        detected, existing = matched + self.false_positives, matched + self.false_negatives
        return {
            "true_positives": matched,
            "false_positives": self.false_positives,
            "false_negatives": self.false_negatives,
            "precision": matched / detected if detected else None,
            "recall": matched / existing if existing else None,
            "mean_iou": sum(self.ious) / matched if matched else None,
        }


def precision_recall(detections: Frames, truth: Frames, iou: float = 0.5) -> dict[str, object]:
    """Return precision, recall and mean IoU of `detections` against `truth`, in all and per class.

    In every frame and class, detections in order of falling confidence take the free truth of highest IoU, if
    it is at least `iou` (the greedy matching of PASCAL VOC). What cannot be computed is None.
    """
    if detections.keys() != truth.keys():
        result = {"frames": len(detections), "truth_frames": len(truth)}
        raise GateError(
            f"The detections are of {len(detections)} frames and the ground truth of {len(truth)}, not the "
            "same ones; compare a dump with the truth of the same video.",
            result,
        )
    tallies: dict[str, _Tally] = {}
    for frame, found in detections.items():
        for label in {box.label for box in found} | {box.label for box in truth[frame]}:
            _match(
                sorted((box for box in found if box.label == label), key=lambda box: -box.confidence),
                [box for box in truth[frame] if box.label == label],
                iou,
                tallies.setdefault(label, _Tally()),
            )
    total = _Tally()
    for tally in tallies.values():
        total.ious += tally.ious
        total.false_positives += tally.false_positives
        total.false_negatives += tally.false_negatives
    per_class = [{"label": label, **tally.numbers()} for label, tally in sorted(tallies.items())]
    return {"iou": iou, **total.numbers(), "per_class": per_class}


def _match(found: Sequence[Detection], truth: Sequence[Detection], iou: float, tally: _Tally) -> None:
    free = list(truth)
    for box in found:
        overlaps = [intersection_over_union(box, other) for other in free]
        best = max(range(len(free)), key=overlaps.__getitem__, default=None)
        if best is None or overlaps[best] < iou:
            tally.false_positives += 1
        else:
            tally.ious.append(overlaps[best])
            del free[best]
    tally.false_negatives += len(free)


def intersection_over_union(a: Detection, b: Detection) -> float:
    """Return the IoU of two boxes, 0 when they do not touch or have no area."""
    width = min(a.right, b.right) - max(a.left, b.left)
    height = min(a.bottom, b.bottom) - max(a.top, b.top)
    shared = max(width, 0.0) * max(height, 0.0)
    area = (a.right - a.left) * (a.bottom - a.top) + (b.right - b.left) * (b.bottom - b.top)
    return shared / (area - shared) if shared > 0.0 else 0.0
