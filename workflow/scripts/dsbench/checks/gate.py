"""The gate between the single-stream run and the multi-stream runs: is the detector detecting?"""

import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace

from dsbench.boxes.kitti import Detection, Frames, count_per_class
from dsbench.boxes.matching import CORNERS, as_rows, ious, matches, precision_recall
from dsbench.checks.findings import Gate, OwnObjects, TruthRates
from dsbench.checks.preprocess_verdict import FAMILY
from dsbench.checks.scene_limits import View, scene_checks
from dsbench.checks.verdict import Verdict

# Fewer boxes than these, in the reference's frames or in the truth, tell nothing.
ENOUGH_BOXES, ENOUGH_TRUTH = 10, 20
# Of what the runtime reports, the least share that the model has to find itself.
LEAST_OWN_SHARE = 0.1
# From this recall on under any name it is the names that are wrong, not the boxes.
MISNAMED_RECALL = 0.3
SHOWN_NAMES = 3


def check_dump(
    frames: Frames,
    required_ratio: float = 0.9,
    expected_frames: int | None = None,
    own: OwnObjects | None = None,
    view: View | None = None,
) -> Verdict[Gate]:
    """Return whether enough of a dump's frames have a detection, and none that no scene has, with the counts.

    `frames` come from `kitti.read_directory`; `expected_frames` is the number of frames in the video, where it is
    known. `own` is what the model alone finds; with `view` the boxes are compared with the frames, and `checks` says
    how. The reason says what was found and the likely cause.
    """
    detections = [detection for frame in frames.values() for detection in frame]
    with_detection = sum(1 for frame in frames.values() if frame)
    gate = Gate(
        frames=len(frames),
        frames_with_detection=with_detection,
        ratio=with_detection / len(frames) if frames else None,
        required_ratio=required_ratio,
        passed=False,
        detections=len(detections),
        per_class=count_per_class(detections),
    )
    fault = _dump_fault(gate, sum(map(_implausible, detections)), expected_frames)
    if fault is None and view is not None:
        checks = scene_checks(frames, view)
        gate = replace(gate, checks=[check.numbers for check in checks])
        fault = next((check.reason for check in checks if not check.passed), None)
    fault = fault or _few_fault(gate, frames, own) or _own_fault(frames, own)
    return Verdict(replace(gate, passed=fault is None), fault)


def _dump_fault(gate: Gate, implausible: int, expected_frames: int | None) -> str | None:
    if gate.frames == 0:
        return (
            "The KITTI dump has no frame; gie-kitti-output-dir is a key of deepstream-app's [application] "
            "group, not of the nvinfer file, and its directory must exist before the run."
        )
    if expected_frames is not None and gate.frames != expected_frames:
        return (
            f"The KITTI dump has {gate.frames} frames, the video {expected_frames}; the run ended early, which its log "
            "says, or deepstream-app's decoder shows other frames than FFmpeg's: encode the video again (ffmpeg -i "
            "OLD -an -c:v libx264 NEW.mp4) and name that file."
        )
    if implausible:
        return (
            f"{implausible} of {gate.detections} detections are no boxes with a confidence from 0 to 1; "
            "the parser does not zero-initialise its objects or was built for another object size "
            "(28 bytes from DeepStream 9 on, 24 before)."
        )
    return None


def _few_fault(gate: Gate, frames: Frames, own: OwnObjects | None) -> str | None:
    """Return what is wrong where too few frames have a detection, and whether the clip or the runtime is the cause."""
    total, hits, required = gate.frames, gate.frames_with_detection, gate.required_ratio
    if hits >= required * total and hits:
        return None
    found = (
        f"{hits} of {total} frames have a detection ({hits / total:.1%}), {required:.0%} are required"
        if hits
        else f"None of {total} frames has a detection"
    )
    if own is not None:
        return f"{found}. {_cause(frames, own)}"
    if hits == 0:
        return (
            f"{found}; most often net-scale-factor or offsets differ from "
            "the model's preprocessing, else pre-cluster-threshold is too high or the parser does not fit."
        )
    return (
        f"{found}; "
        "check model-color-format, maintain-aspect-ratio and pre-cluster-threshold, and that the video "
        "shows the model's classes."
    )


def _cause(frames: Frames, own: OwnObjects) -> str:
    """Return the cause by those frames of the clip in which the model itself finds objects."""
    counts = own.reference_counts
    hits = [number for number, count in zip(own.frames, counts, strict=True) if count]
    lost = [number for number in hits if not frames.get(number)]
    itself = f"in {len(hits) or 'none'} of {len(counts)} frames of the clip"
    if 2 * len(lost) > len(hits):
        return (
            f"The model itself, in ONNX Runtime with {_whose(own)} preprocessing, finds objects {itself},"
            f" in {len(lost)} of which the runtime reports nothing: the runtime loses them. Most often"
            " net-scale-factor, offsets or model-color-format differ from the model's preprocessing, else"
            " pre-cluster-threshold is too high or the parser does not fit."
        )
    best = own.reference_best_score
    score = "no score reaches half its threshold" if best is None else f"its best score is {best:.3f}"
    assumed = (
        " No preprocessor_config.json says what the model was trained with: if the clip does show the model's classes,"
        " state it with preprocessing: in the model's entry."
        if own.reference == FAMILY
        else ""
    )
    return (
        f"The model itself, in ONNX Runtime with {_whose(own)} preprocessing, finds objects {itself} ({score}): this"
        " clip has nothing, or too little, that this model knows. Name another with video: in the config, or give the"
        f" model a lower threshold:.{assumed}"
    )


def _whose(own: OwnObjects) -> str:
    return "its family's" if own.reference == FAMILY else "its own"


def _own_fault(frames: Frames, own: OwnObjects | None) -> str | None:
    """Return what is wrong where the runtime reports objects in frames in which the model itself finds none."""
    if own is None:
        return None
    reported = sum(len(frames.get(number, ())) for number in own.frames)
    itself = own.reference_detections
    if reported < ENOUGH_BOXES or itself >= LEAST_OWN_SHARE * reported:
        return None
    return (
        f"The runtime reports {reported} objects in {len(own.frames)} frames in which the model itself, in ONNX"
        f" Runtime with {_whose(own)} preprocessing, finds {itself or 'none'}: they are not the model's. Most often the"
        " parser reads the tensors of another family, or the keys of config_infer_primary were changed by hand;"
        " compare them with validation/preprocess.json."
    )


def _implausible(detection: Detection) -> bool:
    corners = (detection.left, detection.top, detection.right, detection.bottom)
    inside_out = detection.right <= detection.left or detection.bottom <= detection.top
    return not all(map(math.isfinite, corners)) or inside_out or not 0.0 <= detection.confidence <= 1.0


def check_truth(
    detections: Frames, truth: Frames, labels: Collection[str], required_recall: float, file: str
) -> Verdict[TruthRates]:
    """Return whether `required_recall` of the truth of the model's own classes is found; `file` names the truth.

    Too little truth passes. The reason says whether the names or the boxes are wrong.
    """
    rates = precision_recall(detections, truth)
    known = [row for row in rates.per_class if row.label in labels]
    found = sum(row.true_positives for row in known)
    objects = found + sum(row.false_negatives for row in known)
    result = TruthRates(
        **vars(rates),
        file=file,
        required_recall=required_recall,
        known_objects=objects,
        known_recall=found / objects if objects >= ENOUGH_TRUTH else None,
    )
    if result.known_recall is None or result.known_recall >= required_recall:
        return Verdict(result)
    return Verdict(
        result,
        f"{found} of {objects} objects that the clip's ground truth has of the model's classes are found"
        f" ({found / objects:.2%}, gate.required_recall asks for {required_recall:.0%}). "
        f"{_misnamed(detections, truth, labels, rates.iou)}",
    )


def _misnamed(detections: Frames, truth: Frames, labels: Collection[str], iou: float) -> str:
    """Return the cause of a recall near zero: by what is found where the truth's objects of `labels` are."""
    names = Counter(
        (box.label, _name_there(box, detections[number], iou))
        for number, boxes in truth.items()
        for box in boxes
        if box.label in labels
    )
    there = sum(count for (_, name), count in names.items() if name is not None)
    if there >= MISNAMED_RECALL * names.total():
        wrong = [
            f"{label} as {name}" for (label, name), _ in names.most_common() if name not in (None, label)
        ]
        return (
            f"{there / names.total():.0%} have a box under another name ({', '.join(wrong[:SHOWN_NAMES])}): the boxes"
            " are right, and the class names are shifted or in another order. Write one name a line in the order of the"
            " model's class ids, a background too where it has an id, and name that file with labels: in the model's"
            " entry."
        )
    return (
        f"{there / names.total():.0%} have a box under any name: the boxes do not lie where the objects are. Look at"
        " the pictures in samples/: where the boxes are beside the objects, the family or the preprocessing is wrong"
        " (family: and preprocessing: in the model's entry); where they are on other things, the"
        " model does not know such pictures: name another clip with video: in the config."
    )


def _name_there(box: Detection, found: Sequence[Detection], iou: float) -> str | None:
    ids: dict[str, int] = {}
    overlaps = ious(*(as_rows(boxes, ids)[:, CORNERS] for boxes in ([box], found)))
    best = matches(overlaps, iou).get(0)
    return None if best is None else found[best].label
