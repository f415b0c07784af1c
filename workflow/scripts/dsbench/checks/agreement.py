"""How far the runtime's boxes agree with the reference run's, and the first stage that differs where they do not."""

import configparser
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from dsbench.boxes.clustering import on_frame
from dsbench.boxes.kitti import Detection, Frames
from dsbench.boxes.matching import as_rows, ious_in_class, precision_recall
from dsbench.checks.reference_run import (
    Detector,
    EngineRun,
    ParserFaultError,
    ParserRun,
    can_run_parser,
    decoded_rows,
    detections,
    pictures,
    reference_boxes,
)
from dsbench.core.errors import BuildError
from dsbench.deepstream.nvinfer_config import class_keys, image_keys
from dsbench.onnx.compare import answers, session

# What nvinfer takes where a key is absent.
IMAGE_DEFAULTS = {
    "net-scale-factor": "1",
    "offsets": "0;0;0",
    "model-color-format": "0",
    "maintain-aspect-ratio": "0",
    "symmetric-padding": "0",
    "scaling-filter": "0",
}
CLASS_DEFAULTS = {
    "cluster-mode": "0",
    "pre-cluster-threshold": "0.2",
    "post-cluster-threshold": "0",
    "nms-iou-threshold": "0.3",
    "topk": "-1",
}
RELATIVE_TOLERANCE = 1e-6


@dataclass(frozen=True)
class KeyDifference:
    """One key whose value in the file is not the derived one."""

    key: str
    found: str
    expected: str


def read_keys(path: Path) -> dict[str, str]:
    """Return the keys of [property] and [class-attrs-all], which share no name."""
    config = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        config.read_string(path.read_text(encoding="utf-8"))
        return {
            key: value for group in ("property", "class-attrs-all") for key, value in config[group].items()
        }
    except (OSError, UnicodeDecodeError, configparser.Error, KeyError) as error:
        raise BuildError(
            f"{path}: not an nvinfer configuration ({error}); delete it and build again."
        ) from error


def preprocessing_difference(keys: Mapping[str, str], detector: Detector) -> KeyDifference | None:
    """Return the first key of the picture that is not as derived."""
    return _difference(keys, image_keys(detector.preprocessing), IMAGE_DEFAULTS)


def clustering_difference(keys: Mapping[str, str], detector: Detector) -> KeyDifference | None:
    """Return the first key of clustering and thresholds that is not the family's."""
    family = detector.family
    wanted = {"cluster-mode": family.cluster_mode, **class_keys(family, detector.threshold)}
    return _difference(keys, wanted, CLASS_DEFAULTS)


def _difference(
    keys: Mapping[str, str], wanted: Mapping[str, object], defaults: Mapping[str, str]
) -> KeyDifference | None:
    for key, default in defaults.items():
        found, expected = keys.get(key, default), str(wanted.get(key, default))
        if not _same(found, expected):
            return KeyDifference(key, found, expected)
    return None


def _same(found: str, expected: str) -> bool:
    try:
        numbers = [[float(part) for part in text.rstrip(";").split(";")] for text in (found, expected)]
    except ValueError:
        return False
    if len(numbers[0]) != len(numbers[1]):
        return False
    return all(abs(a - b) <= RELATIVE_TOLERANCE * max(abs(a), abs(b)) for a, b in zip(*numbers, strict=True))


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
    return {
        number: [
            box
            for box, met in zip(frame, _met(frame, others.get(number, []), iou), strict=True)
            if met or box.bottom < frame_height - RIM_PX
        ]
        for number, frame in boxes.items()
    }


def _met(boxes: Sequence[Detection], others: Sequence[Detection], iou: float) -> np.ndarray:
    """Return for each box whether one of the others is the same object."""
    ids: dict[str, int] = {}
    return (ious_in_class(as_rows(boxes, ids), as_rows(others, ids)) >= iou).any(axis=1)


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


Boxes = dict[int, list[Detection]]


@dataclass(frozen=True)
class Divergence:
    """A stage, what it does, what it should do, and what to do about it."""

    stage: str
    found: str
    expected: str
    next_step: str


@dataclass(frozen=True)
class Deployment:
    """What was deployed, as far as the stages can be judged from it; `size` is the frame's (width, height).

    `is_embedded` tells whether the engine is one that can be run here.
    """

    detector: Detector
    inspect: Mapping[str, object]
    nvinfer_config: Path
    onnx_file: Path
    video: Path
    size: tuple[int, int]
    numbers: Sequence[int]
    is_embedded: bool


@dataclass(frozen=True)
class Bound:
    """What counts as agreement: precision and recall of at least `required` at IoU `iou`."""

    iou: float
    required: float


def first_divergence(deployed: Deployment, bound: Bound) -> tuple[Divergence | None, list[str]]:
    """Return the first diverging stage, None when none does by itself, and the stages that could not be told."""
    config = deployed.nvinfer_config
    keys = read_keys(config)
    library = config.parent / keys["custom-lib-path"]
    judges: dict[str, Callable[[], Divergence | None] | None] = {
        "export": lambda: _export(deployed.inspect),
        "preprocessing": lambda: _of_key(
            "preprocessing", preprocessing_difference(keys, deployed.detector), config
        ),
        "engine precision": lambda: _engine(deployed, config.parent / keys["model-engine-file"], bound),
        "parser": lambda: _parser(deployed, library, keys["parse-bbox-func-name"], bound),
        "clustering": lambda: _of_key("clustering", clustering_difference(keys, deployed.detector), config),
    }
    not_told = [] if deployed.is_embedded else ["engine precision"]
    not_told += [] if can_run_parser(library) else ["parser"]
    told = (judge for stage, judge in judges.items() if stage not in not_told)
    return next((found for judge in told if (found := judge()) is not None), None), not_told


def _export(inspect: Mapping[str, object]) -> Divergence | None:
    errors, tolerance = inspect["max_abs_error"], inspect["tolerance"]
    over = {batch: error for batch, error in errors.items() if not error <= tolerance}
    if not over:
        return None
    batch, error = next(iter(over.items()))
    return Divergence(
        "export",
        f"the ONNX differs from its source by {error:.3g} at {batch.replace('_', ' ')}",
        f"at most {tolerance:g}",
        "export the model again (snakemake -R export_onnx)",
    )


def _of_key(stage: str, difference: KeyDifference | None, config: Path) -> Divergence | None:
    if difference is None:
        return None
    return Divergence(
        stage,
        f"{config.name} has {difference.key}={difference.found}",
        f"{difference.key}={difference.expected}",
        f"delete {config} so that it is written again",
    )


def _engine(deployed: Deployment, file: Path, bound: Bound) -> Divergence | None:
    run = EngineRun(file)
    found: Boxes = {}
    expected: Boxes = {}
    for number, pixels, place, outputs in _answers(deployed):
        found[number] = reference_boxes(deployed.detector, run.outputs(pixels), place)
        expected[number] = reference_boxes(deployed.detector, outputs, place)
    fault = _fault_of_boxes(found, expected, deployed, bound)
    return fault and Divergence(
        "engine precision",
        f"the boxes of {file.name}, which computes in {run.compute}, have {fault}",
        f"at least {bound.required:g} of each",
        "build it in fp32 (precision: fp32 in the config), or anew (snakemake -R build_engine)",
    )


def _parser(deployed: Deployment, library: Path, symbol: str, bound: Bound) -> Divergence | None:
    detector = deployed.detector
    found: Boxes = {}
    expected: Boxes = {}
    fault = None
    try:
        run = None
        for number, _, place, outputs in _answers(deployed):
            run = run or ParserRun(library, symbol, detector, deployed.size, outputs)
            found[number] = detections(run.boxes(outputs), detector.labels)
            expected[number] = detections(on_frame(decoded_rows(detector, outputs), place), detector.labels)
    except ParserFaultError as error:
        fault = str(error)
    else:
        fault = _fault_of_boxes(found, expected, deployed, bound)
    return fault and Divergence(
        "parser",
        f"{symbol} in {library.name}, given the reference's tensors: {fault}",
        f"the boxes of {detector.family.name}'s reference decoder",
        f"name the model's family with family: in the config, or delete {library} so that it is compiled again",
    )


def _fault_of_boxes(found: Boxes, expected: Boxes, deployed: Deployment, bound: Bound) -> str | None:
    result = agreement(found, expected, deployed.size[1], bound.iou, bound.required)
    return None if result["passed"] else shown_rates(result)


def _answers(deployed: Deployment) -> Iterator[tuple]:
    """Yield number, pixels, place and ONNX Runtime's outputs of each frame."""
    runner = session(onnx.load(deployed.onnx_file))
    for number, pixels, place in pictures(deployed.detector, deployed.video, deployed.size, deployed.numbers):
        yield number, pixels, place, _contiguous(answers(runner, pixels))


def _contiguous(outputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: np.ascontiguousarray(value) for name, value in outputs.items()}


def require_agreement(
    kitti: Path, dumped: Frames, reference: Frames, deployed: Deployment, bound: Bound
) -> dict[str, object]:
    """Return the agreement of the dump in `kitti` with the reference run.

    Raises AgreementError with the first diverging stage, what was found, what was expected and the next step.
    """
    found = measured_frames(dumped, reference, kitti)
    result = agreement(found, reference, deployed.size[1], bound.iou, bound.required)
    if result["passed"]:
        return result
    divergence, not_told = first_divergence(deployed, bound)
    raise AgreementError(
        f"{kitti}: {shown_rates(result)} against the reference run, {bound.required:g} of each is required. "
        f"{_explained(divergence, not_told)}{_left_out(not_told)}",
        result,
    )


def _explained(divergence: Divergence | None, not_told: list[str]) -> str:
    if divergence is None:
        suspects = " or ".join([*not_told, "how the runtime decodes and scales frames"])
        return (
            f"No stage that can be judged here diverges, which leaves {suspects}; build with precision: fp32 in the "
            "config, and look at the video's colour range and at [streammux] of the application's configuration."
        )
    return (
        f"The first stage that diverges is {divergence.stage}: {divergence.found}, expected "
        f"{divergence.expected}; {divergence.next_step}."
    )


def _left_out(not_told: list[str]) -> str:
    return f" Not told on this runtime: {', '.join(not_told)}." if not_told else ""
