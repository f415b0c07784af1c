"""Which pixels the runtime really fed its network, told by the boxes that it dumped."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import av
import numpy as np
import onnx
import onnxruntime

from dsbench.boxes.detection_scores import likeness
from dsbench.boxes.kitti import Detection, Frames
from dsbench.boxes.matching import as_rows, best_first
from dsbench.checks.agreement import Deployment
from dsbench.checks.findings import Suspect
from dsbench.checks.preprocess_proof import alternatives, changed_keys
from dsbench.checks.reference_run import reference_boxes
from dsbench.checks.scaling_choice import FILTERS, usable_filter, why_refused
from dsbench.checks.scene_limits import network_pixels
from dsbench.families.family import NO_SHIFT
from dsbench.onnx.compare import answers, session
from dsbench.pixels.nvinfer_pixels import NetworkInput, box_place, decoded_frames
from dsbench.pixels.preprocessing import Preprocessing
from dsembed.shared.decode import BT601, BT709, frame_view

# At such a likeness the boxes are the derived pixels' own; an engine in half precision reaches it.
AS_DERIVED_LIKENESS = 0.98
# A suspect has to take away this share of what is left to 1, and to be ahead by so much.
SHARE_LEFT, LIKENESS_MARGIN = 0.5, 0.02
# Frames on which each suspect is run, and the fewest objects in them that tell.
FRAMES, ENOUGH_OBJECTS = 8, 8
MATRICES = {BT709: "BT.709", BT601[1]: "BT.601"}


@dataclass(frozen=True)
class Variant:
    """One way in which pixels come about: settings, and a colour matrix by FFmpeg's number."""

    fault: str
    remedy: str
    preprocessing: Preprocessing
    matrix: int | None = None


def suspects(deployed: Deployment, dumped: Frames, equal_pixels: Frames) -> list[Suspect]:
    """Return the faults under which the model's boxes were compared with the dump, the likeliest first.

    It is empty where the dump is that of the derived pixels, given as `equal_pixels`, or has too little in it to tell.
    """
    numbers = deployed.numbers[:: max(1, len(deployed.numbers) // FRAMES)]
    expected = {number: equal_pixels[number] for number in numbers}
    derived = _likeness(dumped, expected)
    if sum(map(len, expected.values())) < ENOUGH_OBJECTS or derived is None or derived >= AS_DERIVED_LIKENESS:
        return []

    def suspect(stage: str, fault: str, remedy: str, boxes: Frames) -> Suspect:
        alike = _likeness(dumped, boxes) or 0.0
        explains = 1 - alike <= SHARE_LEFT * (1 - derived)
        is_named = explains and alike > derived + LIKENESS_MARGIN
        return Suspect(stage, fault, remedy, alike, derived, is_named)

    runner = session(onnx.load(deployed.onnx_file))
    frames = list(decoded_frames(deployed.video, numbers))
    found = [
        suspect("pixels", each.fault, each.remedy, _boxes(each, deployed, runner, frames))
        for each in _variants(deployed.model.preprocessing, deployed.size, frames[0][1])
    ]
    shift, _ = box_place(deployed.model.preprocessing, *deployed.size)
    if shift != NO_SHIFT:
        right, down = np.multiply(
            shift, network_pixels(deployed.model.preprocessing, *deployed.size)
        ).tolist()
        moves = f"{shift[0]:g} and {shift[1]:g} network pixels"
        fault = f"boxes that are not moved back by the {moves} of nvinfer's scaling"
        remedy = "delete parser/libparser.so, so that it is compiled again with the shift"
        found.append(suspect("parser", fault, remedy, _moved(expected, right, down)))
    return sorted(found, key=lambda each: -each.likeness)


def _variants(derived: Preprocessing, size: tuple[int, int], frame: av.VideoFrame) -> Iterator[Variant]:
    rewrite = "delete the nvinfer configuration, so that it is written again with the derived key"
    for keys, other in alternatives(derived).items():
        if changed_keys(derived, other):
            yield Variant(keys, rewrite, usable_filter(other, size))
    for number, name in FILTERS.items():
        if number != derived.scaling_filter and why_refused(derived, number, size) is None:
            filtered = replace(derived, scaling_filter=number)
            yield Variant(f"scaling-filter={number} ({name})", rewrite, filtered)
    right, wrong = (BT709, BT601[1]) if frame_view(frame).bt709 else (BT601[1], BT709)
    yield Variant(
        f"the colour matrix of {MATRICES[wrong]} for a clip of {MATRICES[right]}",
        "the runtime does not follow the clip's note of its matrix: look at the colours that its decoder gives",
        derived,
        matrix=wrong,
    )


def _boxes(
    variant: Variant,
    deployed: Deployment,
    runner: onnxruntime.InferenceSession,
    frames: Sequence[tuple[int, av.VideoFrame]],
) -> dict[int, list[Detection]]:
    """Return the boxes on the variant's pixels, with a parser that moves and ends boxes as derived."""
    network = NetworkInput(variant.preprocessing, *deployed.size)
    found = {}
    for number, frame in frames:
        stated = frame.colorspace
        if variant.matrix is not None:
            frame.colorspace = variant.matrix
        outputs = answers(runner, network.tensor(frame))
        found[number] = reference_boxes(deployed.model, outputs, network.place())
        frame.colorspace = stated
    return found


def _moved(frames: Frames, right: float, down: float) -> dict[int, list[Detection]]:
    """Return the boxes so many pixels of the frame farther right and down."""
    return {
        number: [
            replace(
                box,
                left=box.left + right,
                top=box.top + down,
                right=box.right + right,
                bottom=box.bottom + down,
            )
            for box in boxes
        ]
        for number, boxes in frames.items()
    }


def _likeness(dumped: Frames, boxes: Frames) -> float | None:
    ids: dict[str, int] = {}
    wanted, found = (
        [as_rows(best_first(frames[number]), ids) for number in boxes] for frames in (boxes, dumped)
    )
    return likeness(wanted, found, 0.0)
