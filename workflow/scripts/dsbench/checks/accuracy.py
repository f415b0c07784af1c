"""How much of the model's own accuracy is left in the runtime, after each stage, and which stage loses it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from dsbench.boxes.average_precision import Accuracy, accuracy
from dsbench.boxes.kitti import Frames
from dsbench.boxes.matching import SAME_OBJECT_IOU, as_rows, best_first, ious_in_class, matches
from dsbench.boxes.truth import Truth
from dsbench.checks.agreement import Deployment, check_export
from dsbench.checks.runtime_pixels import Suspect, suspects
from dsbench.checks.scene_limits import network_pixels
from dsbench.checks.verdict import Verdict

# What each row of the table has changed beside the row before; the first row is the model alone.
PIXELS, PRECISION, RUNTIME = "pixels", "precision", "runtime"
# Of fewer objects a shift says nothing.
ENOUGH_OBJECTS = 20
# A shift this many of its standard errors beyond a bound is beyond it.
SURE_ERRORS = 2.0
# The parser is blamed where of the boxes at the lower edge of the frame so many are lost, and a share that is larger by
# so much than twice what is lost elsewhere: rounding drops up to 11 % of them, other scores drop boxes anywhere.
FEWEST_EDGE_LOSSES, EDGE_LOSS_MARGIN = 3, 0.02


@dataclass(frozen=True)
class Bounds:
    """What must be kept: `least_ap` of AP@[.5:.95], and a shift of at most `largest_shift_px`, in network pixels."""

    least_ap: float
    largest_shift_px: float


@dataclass(frozen=True)
class Stage:
    """The accuracy that is left when this stage too is the runtime's, with the model's own boxes as truth."""

    stage: str
    accuracy: Accuracy


@dataclass(frozen=True)
class EdgeLoss:
    """How many boxes end within a network pixel of the frame's lower edge and elsewhere, and how many are lost.

    They are those of the model on equal pixels, and what is lost of them is not in the dump.
    """

    boxes: int
    lost: int
    elsewhere: int
    lost_elsewhere: int

    @property
    def is_the_parsers(self) -> bool:
        """Whether so many more are lost at the edge that it is the edge that loses them."""
        usual = self.lost_elsewhere / max(1, self.elsewhere)
        return self.lost >= max(FEWEST_EDGE_LOSSES, (2 * usual + EDGE_LOSS_MARGIN) * self.boxes)


@dataclass(frozen=True)
class AgainstTruth:
    """The model alone and the runtime on the clip's true boxes in `file`."""

    file: str
    model: Accuracy
    runtime: Accuracy


@dataclass(frozen=True)
class KeptAccuracy:
    """What accuracy.json says.

    `frames` are one in `every` of the clip. `reference` says who describes the model's own preprocessing; `threshold`
    is the lowest score of a box on both sides. `is_told` is false where the model finds too few objects to measure.
    `stages` ends with the runtime's own boxes. `suspects` are there where the runtime's boxes are not those of the
    model on the derived pixels; `truth` where the clip has one.
    """

    passed: bool
    frames: int
    every: int
    reference: str
    threshold: float
    bounds: Bounds
    is_told: bool
    stages: list[Stage]
    edge: EdgeLoss
    suspects: list[Suspect]
    truth: AgainstTruth | None


@dataclass(frozen=True)
class Runs:
    """The boxes of the same frames: the model's own, those after each stage by its name, and the runtime's dump.

    `equal_pixels` are those of ONNX Runtime on the runtime's pixels.
    """

    own: Frames
    equal_pixels: Frames
    engine: Frames | None
    dumped: Frames

    def stages(self) -> dict[str, Frames]:
        """Return the stages that were run, in their order."""
        every = {PIXELS: self.equal_pixels, PRECISION: self.engine, RUNTIME: self.dumped}
        return {name: frames for name, frames in every.items() if frames is not None}


def measured_stages(runs: Runs, network_px: tuple[float, float]) -> list[Stage]:
    """Return the accuracy after each stage that was run."""
    return [Stage(name, accuracy(found, runs.own, network_px)) for name, found in runs.stages().items()]


def edge_loss(runs: Runs, size: tuple[int, int], network_px: tuple[float, float]) -> EdgeLoss:
    """Return which boxes of the model at the lower edge of a frame of `size` (width, height) are not dumped."""
    lowest = size[1] - network_px[1]
    at_edge, lost = [], []
    for number, expected in runs.equal_pixels.items():
        ids: dict[str, int] = {}
        rows, found = (as_rows(best_first(each), ids) for each in (expected, runs.dumped[number]))
        met = matches(ious_in_class(rows, found), SAME_OBJECT_IOU)
        at_edge.append(rows[:, 4] >= lowest)
        lost.append(~np.isin(np.arange(len(rows)), list(met)))
    edge, missing = np.concatenate(at_edge), np.concatenate(lost)
    counts = (each.sum() for each in (edge, edge & missing, ~edge, ~edge & missing))
    return EdgeLoss(*map(int, counts))


def kept_accuracy(
    runs: Runs,
    deployed: Deployment,
    reference: str,
    every: int,
    bounds: Bounds,
    truth: Truth | None = None,
) -> KeptAccuracy:
    """Return what accuracy.json holds, not yet checked.

    `reference` says who describes the model's own preprocessing. `truth` has the true boxes of every frame.
    """
    network_px = network_pixels(deployed.model.preprocessing, *deployed.size)
    stages = measured_stages(runs, network_px)
    return KeptAccuracy(
        passed=True,
        frames=len(runs.own),
        every=every,
        reference=reference,
        threshold=deployed.model.threshold,
        bounds=bounds,
        is_told=stages[-1].accuracy.every.objects >= ENOUGH_OBJECTS,
        stages=stages,
        edge=edge_loss(runs, deployed.size, network_px),
        suspects=suspects(deployed, runs.dumped, runs.equal_pixels),
        truth=against_truth(runs, truth, network_px) if truth and truth.frames else None,
    )


def against_truth(runs: Runs, truth: Truth, network_px: tuple[float, float]) -> AgainstTruth:
    """Return how well the model alone and the runtime find the true boxes, in the frames of the runs."""
    frames = {number: truth.frames[number] for number in runs.own}
    model, runtime = (accuracy(found, frames, network_px) for found in (runs.own, runs.dumped))
    return AgainstTruth(truth.file, model, runtime)


def check_accuracy(
    measured: KeptAccuracy,
    deployed: Deployment,
    divergence: Callable[[], tuple[str, Verdict] | None],
) -> Verdict[KeptAccuracy]:
    """Return whether enough of the model's accuracy is kept; the reason names the stage that loses it.

    `divergence` finds the first stage that differs on equal pixels; it is asked only where the boxes are wrong and no
    stage that was measured says why.
    """
    if not measured.is_told:
        return Verdict(measured)
    stage, reason = next(_faults(measured, deployed, divergence), (None, None))
    return Verdict(
        replace(measured, passed=reason is None),
        reason and f"The boxes are not where the model's own are. The stage is {stage}: {reason}",
    )


def _faults(
    measured: KeptAccuracy,
    deployed: Deployment,
    divergence: Callable[[], tuple[str, Verdict] | None],
) -> Iterator[tuple[str, str]]:
    """Yield each stage that loses accuracy, in their order, with a sentence of what was found and what to do."""
    export = check_export(deployed.inspect)
    if export.reason:
        yield "export", f"{export.reason}."
    beyond = {each.stage: _beyond(each.accuracy, measured.bounds) for each in measured.stages}
    if beyond[PIXELS]:
        yield (
            PIXELS,
            f"in ONNX Runtime with the pixels that {deployed.nvinfer_config.name} asks for, {beyond[PIXELS]}."
            " validation/preprocess.json compares nvinfer's settings with the model's own preprocessing. Where a"
            " setting is wrong, state the right one with preprocessing: in the model's entry; where nvinfer's scaling"
            " is the cause, resize: in_graph there has the ONNX scale as the model's own pipeline does.",
        )
    if beyond.get(PRECISION):
        yield (
            PRECISION,
            f"the engine's {beyond[PRECISION]}, and ONNX Runtime's in float32 are right on the same pixels; build in"
            " fp32 (precision: fp32 in the config).",
        )
    for suspect in measured.suspects[:1]:
        if suspect.is_named:
            yield suspect.stage, suspect.sentence()
    if measured.edge.is_the_parsers:
        yield (
            "parser",
            f"{measured.edge.lost} of {measured.edge.boxes} boxes that reach the lower edge of the frame are missing."
            " nvinfer drops a box that ends below the frame by as little as rounding does, so a parser has to end boxes"
            " a little above the network's height, and not on it; delete parser/libparser.so so that it is compiled"
            " again.",
        )
    if beyond[RUNTIME]:
        found = divergence()
        stage, told = found or (
            PIXELS,
            Verdict({}, "no stage that can be checked here differs, which leaves the runtime's own decoding"),
        )
        yield stage, f"the runtime's {beyond[RUNTIME]}; {told.reason}."


def _beyond(found: Accuracy, bounds: Bounds) -> str | None:
    """Return what is beyond the bounds, in words that follow "the boxes of ..."; None where nothing is."""
    every = found.every
    if every.matched >= ENOUGH_OBJECTS:
        shifts = [
            _side(shift, positive, negative)
            for shift, error, positive, negative in (
                (every.shift_x_px, every.error_x_px, "right of", "left of"),
                (every.shift_y_px, every.error_y_px, "below", "above"),
            )
            if shift is not None
            and error is not None
            and abs(shift) - SURE_ERRORS * error > bounds.largest_shift_px
        ]
        if shifts:
            return (
                f"boxes lie {' and '.join(shifts)} the model's own, in pixels of the network and single far ones left"
                f" out, and at most {bounds.largest_shift_px:g} is allowed (accuracy: largest_shift_px)"
            )
    if (every.ap or 0.0) < bounds.least_ap:
        return (
            f"boxes reach an AP@[.5:.95] of {every.ap or 0.0:.3f} with the model's own as truth, and at least"
            f" {bounds.least_ap:g} is required (accuracy: least_ap)"
        )
    return None


def _side(shift: float, positive: str, negative: str) -> str:
    return f"{abs(shift):.2f} {positive if shift > 0 else negative}"
