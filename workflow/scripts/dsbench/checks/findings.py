"""What the checks find, as their JSON files hold it: a report reads these records without what measures them."""

from dataclasses import dataclass

from msgspec import UNSET, UnsetType

from dsbench.boxes.average_precision import Accuracy
from dsbench.boxes.kitti import ClassCount
from dsbench.boxes.matching import ClipRates
from dsbench.onnx.inspection import ChosenFilter

# The parser is blamed where of the boxes at the lower edge of the frame so many are lost, and a share that is larger by
# so much than twice what is lost elsewhere: rounding drops up to 11 % of them, other scores drop boxes anywhere.
FEWEST_EDGE_LOSSES, EDGE_LOSS_MARGIN = 3, 0.02


@dataclass(frozen=True)
class FilterRow:
    """What one filter gives; all None where `refused` says why NVIDIA's library does not take it for these sizes.

    `moved_x` and `moved_y` are what the parser takes off the boxes, `shift_x` and `shift_y` how far they still lie too
    far right and down, all in network pixels. `mean_difference` is in levels of 256.
    """

    scaling_filter: int
    name: str
    refused: str | None = None
    moved_x: float | None = None
    moved_y: float | None = None
    mean_difference: float | None = None
    mean_overlap: float | None = None
    shift_x: float | None = None
    shift_y: float | None = None


@dataclass(frozen=True)
class FilterChoice(ChosenFilter):
    """The filter that is taken, whether the model's entry in the config states it, and what each one gives."""

    filter_is_stated: bool
    scaling_filters: list[FilterRow]


@dataclass(frozen=True)
class Way:
    """What one way of preprocessing gives: its pixels beside the model's own, and what the model then detects.

    `keys` are the nvinfer keys in which it is another than the derived way. Differences are in levels, of which an
    8-bit channel has 256. `likeness` is that of the detections to the model's own, None where neither side has an
    object; `confidence` is the sum of the scores.
    """

    keys: str
    same_as_derived: bool
    mean_difference: float
    max_difference: float
    likeness: float | None
    detections: int
    confidence: float


@dataclass(frozen=True)
class OwnObjects:
    """What the model alone finds in these frames of the clip, by their numbers.

    `reference` is where its own preprocessing is from: preprocessor_config.json, preprocessing: in the config, or
    family. `reference_counts` are the objects of each frame, `reference_detections` those of all.
    `reference_best_score` is None where no score reaches half the threshold.
    """

    reference: str
    frames: list[int]
    reference_counts: list[int]
    reference_detections: int
    reference_best_score: float | None


@dataclass(frozen=True)
class PreprocessProof(OwnObjects, FilterChoice):
    """What preprocess.json says: the model alone, the filters, and the derived way first of all that were tried.

    `told_by_detections` is whether the model alone finds enough objects to compare them. Another way is better where
    its likeness is greater by `likeness_margin`, None where the derived way has none.
    """

    passed: bool
    told_by_detections: bool
    largest_mean_difference: float
    likeness_margin: float | None
    alternatives: list[Way]
    warnings: list[str]
    notes: list[str]


@dataclass(frozen=True)
class SceneCheck:
    """One check as gate.json holds it; `found` and `passed` are None where there is too little to tell."""

    check: str
    found: float | None
    required: str
    passed: bool | None


@dataclass(frozen=True)
class TruthRates(ClipRates):
    """A dump against the clip's truth in `file`; what is known is of the model's own classes.

    `known_recall` is None for too little truth.
    """

    file: str
    required_recall: float
    known_objects: int
    known_recall: float | None


@dataclass(frozen=True)
class Gate:
    """What gate.json says: the counts of the dump, its checks against the scene, and the truth where the clip has one.

    `ratio` is the share of frames with a detection, None of no frame. `checks` is missing where the counts alone stop
    the dump.
    """

    frames: int
    frames_with_detection: int
    ratio: float | None
    required_ratio: float
    passed: bool
    detections: int
    per_class: list[ClassCount]
    checks: list[SceneCheck] | UnsetType = UNSET
    ground_truth: TruthRates | None = None


@dataclass(frozen=True)
class Agreement(ClipRates):
    """What agreement.json says: the rates of the dump with the reference run as truth, in one of `every` frames.

    A box on the frame's last row without a counterpart is `undecided` and counts for neither side.
    """

    frames: int
    required: float
    passed: bool
    undecided: int
    every: int = 1


@dataclass(frozen=True)
class Suspect:
    """A fault of the runtime's pixels, or of the boxes that are moved back from them.

    `likeness` is that of the dump to the model's boxes under this fault, `likeness_as_derived` without;
    `is_named` where the fault explains the dump so much better that it is the cause.
    """

    stage: str
    fault: str
    remedy: str
    likeness: float
    likeness_as_derived: float
    is_named: bool

    def sentence(self) -> str:
        """Return what was found, what was expected and what to do."""
        return (
            f"the runtime's boxes are those of the model with {self.fault} (likeness {self.likeness:.3f}), and not"
            f" with the derived pixels (likeness {self.likeness_as_derived:.3f}); {self.remedy}."
        )


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
class SlotDifferences:
    """How many boxes were compared, how many rounding may add or drop, and the largest differences."""

    boxes: int
    undecided: int
    largest_corner_difference_px: float
    largest_score_difference: float


@dataclass(frozen=True)
class BatchSlots:
    """What batch_slots.json says: the tolerances `iou` and `score`, and the boxes of the slots that they were held to.

    `frames_that_differ` are those whose boxes the mirrored clip has elsewhere: in them a leak between slots shows.
    `limit` is why this machine played fewer slots than asked for, None where it played all.
    """

    slots: int
    frames: int
    frames_that_differ: int
    iou: float
    score: float
    passed: bool
    same_video: SlotDifferences
    different_videos: SlotDifferences
    limit: str | None = None
