"""The first stage between a source model and its boxes that does not do what the reference run does."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from dsbench.agreement import agreement, shown_rates
from dsbench.engine_outputs import EngineRun, ParserFaultError, ParserRun, can_run_parser
from dsbench.kitti import Detection
from dsbench.nvinfer_key_check import (
    KeyDifference,
    clustering_difference,
    preprocessing_difference,
    read_keys,
)
from dsbench.onnx_compare import answers, session
from dsbench.reference_clustering import on_frame
from dsbench.reference_run import Detector, decoded_rows, detections, pictures, reference_boxes

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
