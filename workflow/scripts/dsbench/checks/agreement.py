"""How far the runtime's boxes agree with the reference run's, and the first stage that differs where they do not."""

import configparser
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx

from dsbench.boxes.clustering import on_frame
from dsbench.boxes.kitti import Detection, Frames
from dsbench.boxes.matching import ClipRates, as_rows, ious_in_class, precision_recall
from dsbench.checks.findings import Agreement
from dsbench.checks.reference_run import (
    EngineRun,
    ParserFaultError,
    ParserRun,
    ReferenceModel,
    ReferenceRun,
    can_run_parser,
    decoded_rows,
    detections,
    pictures,
    reference_boxes,
    reference_model,
)
from dsbench.checks.verdict import Verdict
from dsbench.core.errors import BuildError
from dsbench.core.records import read_record
from dsbench.deepstream.nvinfer_config import class_keys, image_keys
from dsbench.intake.labels import read_labels
from dsbench.machine.clip import ClipFacts
from dsbench.onnx.compare import answers, session
from dsbench.onnx.inspection import Inspection, read_proven

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
class Bound:
    """What counts as agreement: precision and recall of at least `required` at IoU `iou`."""

    iou: float
    required: float


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


def check_preprocessing_keys(keys: Mapping[str, str], model: ReferenceModel) -> Verdict:
    """Return whether the keys of the picture are as derived."""
    return _check_keys(keys, image_keys(model.preprocessing), IMAGE_DEFAULTS)


def check_clustering_keys(keys: Mapping[str, str], model: ReferenceModel) -> Verdict:
    """Return whether the keys of clustering and thresholds are the family's."""
    family = model.family
    wanted = {"cluster-mode": family.cluster_mode, **class_keys(family, model.threshold)}
    return _check_keys(keys, wanted, CLASS_DEFAULTS)


def _check_keys(
    keys: Mapping[str, str], wanted: Mapping[str, object], defaults: Mapping[str, str]
) -> Verdict:
    for key, default in defaults.items():
        found, expected = keys.get(key, default), str(wanted.get(key, default))
        if not _same(found, expected):
            numbers = {"key": key, "found": found, "expected": expected}
            return Verdict(numbers, f"{key}={found}, expected {key}={expected}")
    return Verdict({})


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


def check_agreement(found: Frames, reference: Frames, frame_height: int, bound: Bound) -> Verdict[Agreement]:
    """Return whether precision and recall of `found` with the reference as truth suffice, with the mean IoU.

    Both hold the same frames. nvinfer drops a box that ends on the frame's last row or keeps it, as rounding
    has it; such a box without a counterpart on the other side is `undecided` and does not count.
    """
    kept = _decided(found, reference, frame_height, bound.iou)
    truth = _decided(reference, found, frame_height, bound.iou)
    rates = precision_recall(kept, truth, bound.iou)
    undecided = sum(map(len, found.values())) - sum(map(len, kept.values()))
    undecided += sum(map(len, reference.values())) - sum(map(len, truth.values()))
    passed = all((rate or 0.0) >= bound.required for rate in (rates.precision, rates.recall))
    agreement = Agreement(
        **vars(rates), frames=len(found), required=bound.required, passed=passed, undecided=undecided
    )
    return Verdict(agreement, None if passed else _shown_rates(rates))


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
    same = ious_in_class(as_rows(boxes, ids), as_rows(others, ids)) >= iou
    return np.asarray(same.any(axis=1))


def measured_frames(frames: Frames, reference: Frames, kitti: Path) -> dict[int, list[Detection]]:
    """Return those of the dump's frames that the reference run has; raise BuildError where one is missing."""
    missing = [number for number in reference if number not in frames]
    if missing:
        raise BuildError(
            f"{kitti}: has no frame {missing[0]}, which the reference run has; delete the dump and build again."
        )
    return {number: frames[number] for number in reference}


def _shown_rates(result: ClipRates) -> str:
    rates = [
        f"{name} {'none' if rate is None else format(rate, '.3f')}"
        for name, rate in (("precision", result.precision), ("recall", result.recall))
    ]
    counts = f"{result.false_positives} boxes too many, {result.false_negatives} missing"
    return f"{' and '.join(rates)} at IoU {result.iou:g} ({counts})"


@dataclass(frozen=True)
class Deployment:
    """What was deployed, as far as the stages can be checked from it; `size` is the frame's (width, height).

    `engine` has the engine's own boxes on the reference run's pixels.
    """

    model: ReferenceModel
    inspect: Inspection
    nvinfer_config: Path
    onnx_file: Path
    video: Path
    size: tuple[int, int]
    numbers: Sequence[int]
    engine: EngineRun

    @classmethod
    def of(cls, files, reference: ReferenceRun, threshold: float | None) -> "Deployment":
        """Return what the inputs `files` of a rule say was deployed; the frames are those of the reference run."""
        inspect = read_proven(files.inspect, files.preprocess)
        return cls(
            model=reference_model(inspect, read_labels(Path(files.labels)), threshold),
            inspect=inspect,
            nvinfer_config=Path(files.nvinfer),
            onnx_file=Path(files.onnx),
            video=Path(files.video),
            size=read_record(files.clip, ClipFacts).size,
            numbers=list(reference.frames),
            engine=read_record(files.engine, EngineRun),
        )


def first_divergence(deployed: Deployment, bound: Bound) -> tuple[tuple[str, Verdict] | None, list[str]]:
    """Return the first diverging stage with its verdict, None when all pass, and the stages that could not be told."""
    config, model = deployed.nvinfer_config, deployed.model
    keys = read_keys(config)
    library = config.parent / keys["custom-lib-path"]
    checks: dict[str, Callable[[], Verdict]] = {
        "export": lambda: check_export(deployed.inspect),
        "preprocessing": lambda: _in_file(check_preprocessing_keys(keys, model), config),
        "engine precision": lambda: _engine(deployed, bound),
        "parser": lambda: _parser(deployed, library, keys["parse-bbox-func-name"], bound),
        "clustering": lambda: _in_file(check_clustering_keys(keys, model), config),
    }
    not_told = ["engine precision"] if deployed.engine.frames is None else []
    not_told += [] if can_run_parser(library) else ["parser"]
    told = ((stage, check()) for stage, check in checks.items() if stage not in not_told)
    return next(((stage, verdict) for stage, verdict in told if not verdict.passed), None), not_told


def check_export(inspect: Inspection) -> Verdict:
    """Return whether the ONNX answers as its source does, as it was measured when it was made."""
    errors, tolerance = inspect.max_abs_error, inspect.tolerance
    numbers = {"max_abs_error": errors, "tolerance": tolerance}
    for batch, error in errors.items():
        if not error <= tolerance:
            return Verdict(
                numbers,
                f"the ONNX differs from its source by {error:.3g} at {batch.replace('_', ' ')}, expected at most"
                f" {tolerance:g}; export the model again (snakemake -R export_onnx)",
            )
    return Verdict(numbers)


def _in_file(keys: Verdict, config: Path) -> Verdict:
    if keys.passed:
        return keys
    reason = f"{config.name} has {keys.reason}; delete {config} so that it is written again"
    return Verdict(keys.numbers, reason)


def _engine(deployed: Deployment, bound: Bound) -> Verdict:
    expected = {
        number: reference_boxes(deployed.model, outputs, place)
        for number, _, place, outputs in _answers(deployed)
    }
    boxes = check_agreement(deployed.engine.frames or {}, expected, deployed.size[1], bound)
    return Verdict(
        boxes.numbers,
        boxes.reason
        and f"the boxes of {deployed.engine.engine} have {boxes.reason}, expected at least {bound.required:g} of each;"
        " build it in fp32 (precision: fp32 in the config), or anew (snakemake -R build_engine)",
    )


def _parser(deployed: Deployment, library: Path, symbol: str, bound: Bound) -> Verdict:
    model = deployed.model
    found, expected = {}, {}
    boxes: Verdict
    try:
        run = None
        for number, _, place, outputs in _answers(deployed):
            run = run or ParserRun(library, symbol, model, deployed.size, outputs)
            found[number] = detections(run.boxes(outputs), model.labels)
            expected[number] = detections(on_frame(decoded_rows(model, outputs, place), place), model.labels)
        boxes = check_agreement(found, expected, deployed.size[1], bound)
    except ParserFaultError as error:
        boxes = Verdict({}, str(error))
    return Verdict(
        boxes.numbers,
        boxes.reason
        and f"{symbol} in {library.name}, given the reference's tensors: {boxes.reason}, expected the boxes of"
        f" {model.family.name}'s reference decoder; name the model's family with family: in the config, or delete"
        f" {library} so that it is compiled again",
    )


def _answers(deployed: Deployment) -> Iterator[tuple]:
    """Yield number, pixels, place and ONNX Runtime's outputs of each frame."""
    runner = session(onnx.load(deployed.onnx_file))
    for number, pixels, place in pictures(deployed.model, deployed.video, deployed.size, deployed.numbers):
        yield number, pixels, place, _contiguous(answers(runner, pixels))


def _contiguous(outputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: np.ascontiguousarray(value) for name, value in outputs.items()}


def check_deployment(
    kitti: Path, dumped: Frames, reference: ReferenceRun, deployed: Deployment, bound: Bound
) -> Verdict[Agreement]:
    """Return the agreement of the dump in `kitti` with the reference run.

    The reason names the first diverging stage, what was found, what was expected and the next step.
    """
    found = measured_frames(dumped, reference.frames, kitti)
    agreement = check_agreement(found, reference.frames, deployed.size[1], bound)
    numbers = replace(agreement.numbers, every=reference.every)
    if agreement.passed:
        return Verdict(numbers)
    divergence, not_told = first_divergence(deployed, bound)
    return Verdict(
        numbers,
        f"{kitti}: {agreement.reason} against the reference run, {bound.required:g} of each is required. "
        f"{_explained(divergence, not_told)}{_left_out(not_told)}",
    )


def _explained(divergence: tuple[str, Verdict] | None, not_told: list[str]) -> str:
    if divergence is None:
        suspects = " or ".join([*not_told, "how the runtime decodes and scales frames"])
        return (
            f"No stage that can be checked here diverges, which leaves {suspects}; build with precision: fp32 in the "
            "config, and look at the video's colour range and at [streammux] of the application's configuration."
        )
    stage, verdict = divergence
    return f"The first stage that diverges is {stage}: {verdict.reason}."


def _left_out(not_told: list[str]) -> str:
    return f" Not told on this runtime: {', '.join(not_told)}." if not_told else ""
