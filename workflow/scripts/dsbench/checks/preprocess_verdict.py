"""Which of several ways of preprocessing is the right one, and one sentence where it is not the derived one."""

from collections.abc import Sequence
from dataclasses import replace

from dsbench.checks.findings import FilterChoice, OwnObjects, PreprocessProof, Way
from dsbench.checks.scaling_choice import ENOUGH_OBJECTS
from dsbench.checks.verdict import Verdict
from dsbench.pixels.image_processor import PROCESSOR
from dsbench.pixels.own_pixels import STATED

# Levels of 256, on average over frames. nvinfer's bilinear filter has no antialiasing and lies half a network pixel
# aside: 5.3 were measured at a quarter of the frame's size; wrong settings are at tens.
LARGEST_MEAN_DIFFERENCE = 12.0
# What another filter, and not other arithmetic, can change.
CLOSER_LEVELS = 0.5
LIKENESS_MARGIN = 0.02
# What the filter changes leaves detectors at a likeness below 1, random weights at 0.4; so near to chance another
# setting can be ahead by 0.05. A better one takes away this share of what is left to 1; right for wrong takes half.
SHARE_LEFT = 0.25
# An eighth of the 256 levels. Swapped colours are up to 30 apart, padding 50, offsets and scales over 100: what a model
# finds in pixels so far from its own is chance, and a likeness that is greater there says nothing.
COMPARABLE_LEVELS = 32.0
# Without an image processor: how many times the confidence is clearly more, and what is many where it finds
# nothing. It names a suspect and no more: the demonstration model, fed 255 times too much, is sure of every query.
CLEARLY_MORE = 2.0
MANY_PER_FRAME = 1

# The origin of a reference that no image processor's settings describe.
FAMILY = "family"


def check_ways(
    ways: Sequence[Way], own: OwnObjects, choice: FilterChoice, notes: Sequence[str] = ()
) -> Verdict[PreprocessProof]:
    """Return whether the derived way, the first of `ways`, is the right one.

    The derived way does not pass where another fits the reference better, or where without an image processor another
    finds many objects and the derived none. Objects are compared where the reference has enough of them, and only with
    ways of comparably near pixels.
    """
    derived, frames = ways[0], len(own.frames)
    told = own.reference_detections >= ENOUGH_OBJECTS
    others = [way for way in ways[1:] if not way.same_as_derived]
    proof = PreprocessProof(
        **vars(own),
        **vars(choice),
        passed=False,
        told_by_detections=told,
        largest_mean_difference=LARGEST_MEAN_DIFFERENCE,
        likeness_margin=None if derived.likeness is None else _margin(derived.likeness),
        alternatives=list(ways),
        warnings=_warnings(derived, others) if own.reference != PROCESSOR else [],
        notes=[*notes, *([] if told else [_not_told(own.reference_detections, frames)])],
    )
    fault = (
        _pixel_fault(derived, others)
        or (_likeness_fault(derived, others) if told else None)
        or _silence_fault(derived, others, frames, own.reference)
    )
    return Verdict(replace(proof, passed=fault is None), fault and f"{fault} {_advice(own.reference)}")


def _pixel_fault(derived: Way, others: Sequence[Way]) -> str | None:
    closest = min(others, key=lambda way: way.mean_difference, default=derived)
    found = (
        f"as derived the pixels differ from the model's own by {derived.mean_difference:.1f} levels of 256"
    )
    if closest.mean_difference < derived.mean_difference - CLOSER_LEVELS:
        return (
            f"The derived preprocessing is wrong: {found} on average, with {closest.keys} by"
            f" {closest.mean_difference:.1f}."
        )
    if derived.mean_difference > LARGEST_MEAN_DIFFERENCE:
        return (
            f"The derived preprocessing is wrong: {found} on average, at most {LARGEST_MEAN_DIFFERENCE:g} are"
            " expected, and no other setting that was tried is closer."
        )
    return None


def _likeness_fault(derived: Way, others: Sequence[Way]) -> str | None:
    measured = {
        way.keys: way.likeness
        for way in others
        if way.likeness is not None and way.mean_difference <= COMPARABLE_LEVELS
    }
    if derived.likeness is None or not measured:
        return None
    keys, best = max(measured.items(), key=lambda way: way[1])
    if best <= derived.likeness + _margin(derived.likeness):
        return None
    return (
        f"The derived preprocessing is not the best: as derived the detections are like the model's own to"
        f" {derived.likeness:.3f} of 1, with {keys} to {best:.3f}."
    )


def _not_told(objects: int, frames: int) -> str:
    return (
        f"Not told by this clip: the model detects {objects or 'no'} object{'s' * (objects != 1)} in its {frames}"
        f" frames with its own preprocessing, {ENOUGH_OBJECTS} are needed to compare what is found, so only the pixels"
        " were compared."
    )


def _margin(likeness: float) -> float:
    """Return by how much another likeness must be greater to be better."""
    return max(LIKENESS_MARGIN, SHARE_LEFT * (1 - likeness))


def _silence_fault(derived: Way, others: Sequence[Way], frames: int, origin: str) -> str | None:
    most = max(others, key=lambda way: way.detections, default=derived)
    if origin == PROCESSOR or derived.detections or most.detections < MANY_PER_FRAME * frames:
        return None
    return (
        f"The derived preprocessing finds nothing in {frames} frames, with {most.keys} the model finds"
        f" {most.detections} objects."
    )


def _warnings(derived: Way, others: Sequence[Way]) -> list[str]:
    return [
        f"With {way.keys} the model reports more: {way.detections} objects with a confidence of"
        f" {way.confidence:.1f} in all, as derived {derived.detections} with {derived.confidence:.1f};"
        " that alone does not make it right: look at the boxes in the video."
        for way in others
        if way.confidence > CLEARLY_MORE * derived.confidence
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
