"""How far the runtime's boxes agree with the reference run's, and the gate that asks for enough of it."""

from collections.abc import Mapping
from pathlib import Path

from dsbench.errors import BuildError
from dsbench.gate import intersection_over_union, precision_recall
from dsbench.kitti import Detection, Frames

# A KITTI file has six decimals and nvinfer computes in float32.
RIM_PX = 0.01


class AgreementError(BuildError):
    """A runtime whose boxes are not those of the reference run; `result` holds what was found."""

    def __init__(self, message: str, result: dict[str, object]):
        super().__init__(message)
        self.result = result


def agreement(found: Frames, reference: Frames, frame_height: int, iou: float, required: float) -> dict:
    """Return precision, recall and mean IoU of `found` with the reference as truth, and whether both suffice.

    Both hold the same frames. nvinfer drops a box that ends on the frame's last row or keeps it, as rounding
    has it; such a box without a counterpart on the other side is `undecided` and does not count.
    """
    kept = _decided(found, reference, frame_height, iou)
    truth = _decided(reference, found, frame_height, iou)
    rates = precision_recall(kept, truth, iou)
    undecided = sum(map(len, found.values())) - sum(map(len, kept.values()))
    undecided += sum(map(len, reference.values())) - sum(map(len, truth.values()))
    return {
        "frames": len(found),
        "required": required,
        "passed": all((rates[name] or 0.0) >= required for name in ("precision", "recall")),
        "undecided": undecided,
        **rates,
    }


def _decided(boxes: Frames, others: Frames, frame_height: int, iou: float) -> dict[int, list[Detection]]:
    def counts(box: Detection, counterparts: list[Detection]) -> bool:
        if box.bottom < frame_height - RIM_PX:
            return True
        return any(
            other.label == box.label and intersection_over_union(box, other) >= iou for other in counterparts
        )

    return {
        number: [box for box in frame if counts(box, others.get(number, []))]
        for number, frame in boxes.items()
    }


def measured_frames(frames: Frames, reference: Frames, kitti: Path) -> dict[int, list[Detection]]:
    """Return those of the dump's frames that the reference run has; raise BuildError where one is missing."""
    missing = [number for number in reference if number not in frames]
    if missing:
        raise BuildError(
            f"{kitti}: has no frame {missing[0]}, which the reference run has; delete the dump and build again."
        )
    return {number: frames[number] for number in reference}


def shown_rates(result: Mapping[str, object]) -> str:
    """Return the rates in words."""
    rates = [
        f"{name} {'none' if result[name] is None else format(result[name], '.3f')}"
        for name in ("precision", "recall")
    ]
    counts = f"{result['false_positives']} boxes too many, {result['false_negatives']} missing"
    return f"{' and '.join(rates)} at IoU {result['iou']:g} ({counts})"
