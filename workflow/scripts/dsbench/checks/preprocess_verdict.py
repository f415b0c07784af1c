"""Which of several ways of preprocessing is the right one, and one sentence where it is not the derived one."""

from collections.abc import Sequence

from dsbench.checks.verdict import Verdict
from dsbench.pixels.image_processor import PROCESSOR
from dsbench.pixels.own_pixels import STATED

# Levels of 256, on average over frames. nvinfer's bilinear filter has no antialiasing and lies half a network pixel
# aside: 5.3 were measured at a quarter of the frame's size; wrong settings are at tens.
LARGEST_MEAN_DIFFERENCE = 12.0
# What another filter, and not other arithmetic, can change.
CLOSER_LEVELS = 0.5
AGREEMENT_MARGIN = 0.02
# What the filter changes leaves detectors at an agreement below 1, random weights at 0.4; so near to chance another
# setting can be ahead by 0.05. A better one takes away this share of the disagreement; right for wrong takes half.
DISAGREEMENT_SHARE = 0.25
# An eighth of the 256 levels. Swapped colours are up to 30 apart, padding 50, offsets and scales over 100: what a model
# finds in pixels so far from its own is chance, and an agreement that is better there says nothing.
COMPARABLE_LEVELS = 32.0
# Of fewer objects one that is found or not decides which way agrees better.
ENOUGH_OBJECTS = 8
# Without an image processor: how many times the confidence is clearly more, and what is many where it finds
# nothing. It names a suspect and no more: the demonstration model, fed 255 times too much, is sure of every query.
CLEARLY_MORE = 2.0
MANY_PER_FRAME = 1

# The origin of a reference that no image processor's settings describe.
FAMILY = "family"


def check_rows(
    rows: Sequence[dict],
    origin: str,
    *,
    frames: Sequence[int],
    reference_detections: int,
    notes: Sequence[str] = (),
) -> Verdict:
    """Return preprocess.json's content from one row for each way, the derived one first.

    `origin` of the reference is preprocessor_config.json, preprocessing: in the config, or family. The derived way does
    not pass where another fits the reference better, or where without an image processor another finds many objects and
    the derived none. Objects are compared where the reference has enough of them, and only with ways of comparably
    near pixels.
    """
    told = reference_detections >= ENOUGH_OBJECTS
    others = [row for row in rows[1:] if not row["same_as_derived"]]
    result = {
        "passed": False,
        "reference": origin,
        "frames": list(frames),
        "told_by_detections": told,
        "reference_detections": reference_detections,
        "largest_mean_difference": LARGEST_MEAN_DIFFERENCE,
        "agreement_margin": _margin(rows[0]["agreement"]),
        "alternatives": list(rows),
        "warnings": _warnings(rows[0], others) if origin != PROCESSOR else [],
        "notes": [*notes, *([] if told else [_not_told(reference_detections, len(frames))])],
    }
    fault = (
        _pixel_fault(rows[0], others)
        or (_agreement_fault(rows[0], others) if told else None)
        or _silence_fault(rows[0], others, len(frames), origin)
    )
    return Verdict(result | {"passed": fault is None}, fault and f"{fault} {_advice(origin)}")


def _pixel_fault(derived: dict, others: Sequence[dict]) -> str | None:
    closest = min(others, key=lambda row: row["mean_difference"], default=derived)
    found = (
        f"as derived the pixels differ from the model's own by {derived['mean_difference']:.1f} levels of 256"
    )
    if closest["mean_difference"] < derived["mean_difference"] - CLOSER_LEVELS:
        return (
            f"The derived preprocessing is wrong: {found} on average, with {closest['keys']} by"
            f" {closest['mean_difference']:.1f}."
        )
    if derived["mean_difference"] > LARGEST_MEAN_DIFFERENCE:
        return (
            f"The derived preprocessing is wrong: {found} on average, at most {LARGEST_MEAN_DIFFERENCE:g} are"
            " expected, and no other setting that was tried is closer."
        )
    return None


def _agreement_fault(derived: dict, others: Sequence[dict]) -> str | None:
    measured = [
        row for row in others if row["agreement"] is not None and row["mean_difference"] <= COMPARABLE_LEVELS
    ]
    if derived["agreement"] is None or not measured:
        return None
    best = max(measured, key=lambda row: row["agreement"])
    if best["agreement"] <= derived["agreement"] + _margin(derived["agreement"]):
        return None
    return (
        f"The derived preprocessing is not the best: as derived the detections agree with the model's own to"
        f" {derived['agreement']:.3f} of 1, with {best['keys']} to {best['agreement']:.3f}."
    )


def _not_told(objects: int, frames: int) -> str:
    return (
        f"Not told by this clip: the model detects {objects or 'no'} object{'s' * (objects != 1)} in its {frames}"
        f" frames with its own preprocessing, {ENOUGH_OBJECTS} are needed to compare what is found, so only the pixels"
        " were compared."
    )


def _margin(agreement: float | None) -> float | None:
    """Return by how much another agreement must be higher to be better."""
    return None if agreement is None else max(AGREEMENT_MARGIN, DISAGREEMENT_SHARE * (1 - agreement))


def _silence_fault(derived: dict, others: Sequence[dict], frames: int, origin: str) -> str | None:
    most = max(others, key=lambda row: row["detections"], default=derived)
    if origin == PROCESSOR or derived["detections"] or most["detections"] < MANY_PER_FRAME * frames:
        return None
    return (
        f"The derived preprocessing finds nothing in {frames} frames, with {most['keys']} the model finds"
        f" {most['detections']} objects."
    )


def _warnings(derived: dict, others: Sequence[dict]) -> list[str]:
    return [
        f"With {row['keys']} the model reports more: {row['detections']} objects with a confidence of"
        f" {row['confidence']:.1f} in all, as derived {derived['detections']} with {derived['confidence']:.1f};"
        " that alone does not make it right: look at the boxes in the video."
        for row in others
        if row["confidence"] > CLEARLY_MORE * derived["confidence"]
    ]


def _advice(origin: str) -> str:
    if origin == FAMILY:
        return (
            "There is no preprocessor_config.json: state what the model was trained with in its entry in the config,"
            " as preprocessing: with color, scale, mean, std and resize."
        )
    if origin == STATED:
        return "Correct preprocessing: in the model's entry."
    return (
        "Write the settings of preprocessor_config.json out in full (size, do_pad, do_rescale, do_normalize,"
        " image_mean, image_std), or state them in the model's entry, as preprocessing:, and run again."
    )
