"""The reference run on decoded frames, and what an engine and a parser, each by itself, make of the same pixels."""

import ctypes
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import onnx

from dsbench.boxes.clustering import CLASS, HEIGHT, LEFT, SCORE, TOP, WIDTH, Placement, cluster, on_frame
from dsbench.boxes.kitti import Detection
from dsbench.checks.preprocess_proof import Model, Reference
from dsbench.core.errors import BuildError
from dsbench.deepstream.parser_build import Resized
from dsbench.families.declared import family_of
from dsbench.families.family import Family, FrameTensors, Setting
from dsbench.onnx.compare import answers, session
from dsbench.onnx.inspection import Inspection
from dsbench.pixels.nvinfer_pixels import NetworkInput, box_place, decoded_frames, rgb_of
from dsbench.pixels.preprocessing import Preprocessing
from dsbench.tools.tool_run import ToolFailedError
from dsbench.trtexec.answers import AnswersError, AskedEngine, EmbeddedEngine
from dsembed.deepstream_app.nvinfer_settings import ClassAttributes, ParserSettings
from dsembed.deepstream_app.postprocess import Postprocessor
from dsembed.engine.engine import Binding
from dsembed.shared.native import HostError

# nvinfer's own where its configuration says none.
NVINFER_NMS_IOU = 0.3


@dataclass(frozen=True)
class ReferenceModel:
    """What inspect.json, labels.txt and the config say of one model; `tensors` are its outputs' names by role."""

    family: Family
    preprocessing: Preprocessing
    tensors: Mapping[str, str]
    settings: Mapping[str, Setting]
    labels: Sequence[str]
    threshold: float

    @property
    def thresholds(self) -> np.ndarray:
        """The threshold of each class."""
        return np.full(len(self.labels), self.threshold, np.float32)


def reference_model(inspect: Inspection, labels: Sequence[str], threshold: float | None) -> ReferenceModel:
    """Return the model; `threshold` None takes the family's."""
    family = family_of(inspect.family, inspect.nms_iou_threshold)
    return ReferenceModel(
        family=family,
        preprocessing=inspect.preprocessing,
        tensors=inspect.tensors,
        settings=inspect.settings,
        labels=labels,
        threshold=family.default_threshold if threshold is None else threshold,
    )


def pictures(
    model: ReferenceModel, video: Path, size: tuple[int, int], numbers: Sequence[int]
) -> Iterator[tuple[int, np.ndarray, Placement]]:
    """Yield number, tensor [1, 3, H, W] and place of these frames of a clip of `size` (width, height)."""
    network = NetworkInput(model.preprocessing, *size)
    for number, frame in decoded_frames(video, numbers):
        yield number, network.tensor(frame), network.place()


def decoded_rows(model: ReferenceModel, outputs: Mapping[str, np.ndarray], place: Placement) -> np.ndarray:
    """Return what the reference decoder finds in one frame's `outputs` [1, ...]: rows in network pixels."""
    preprocessing = model.preprocessing
    shift, edges = box_place(preprocessing, place.frame_width, place.frame_height)
    frame = FrameTensors(
        tensors={role: outputs[name][0].astype(np.float64) for role, name in model.tensors.items()},
        width=preprocessing.model_size[1],
        height=preprocessing.model_size[0],
        thresholds=model.thresholds,
        shift=shift,
        edges=edges,
    )
    rows = model.family.head.decode(frame, model.settings)
    if resized := Resized.of(preprocessing):
        rows[:, [LEFT, TOP]] -= edges[:2]
        rows[:, [LEFT, TOP, WIDTH, HEIGHT]] *= [resized.scale_x, resized.scale_y] * 2
    return rows


def reference_boxes(
    model: ReferenceModel, outputs: Mapping[str, np.ndarray], place: Placement
) -> list[Detection]:
    """Return one frame's boxes as a KITTI dump has them."""
    nms_iou = model.family.nms_iou_threshold
    rows = cluster(
        decoded_rows(model, outputs, place),
        model.family.cluster_mode,
        model.thresholds,
        NVINFER_NMS_IOU if nms_iou is None else nms_iou,
    )
    return detections(on_frame(rows, place), model.labels)


def detections(rows: np.ndarray, labels: Sequence[str]) -> list[Detection]:
    """Return rows of class, left, top, width, height, score as detections."""
    return [
        Detection(
            label=labels[int(row[CLASS])],
            left=float(row[LEFT]),
            top=float(row[TOP]),
            right=float(row[LEFT] + row[WIDTH]),
            bottom=float(row[TOP] + row[HEIGHT]),
            confidence=float(row[SCORE]),
        )
        for row in rows
    ]


@dataclass(frozen=True)
class ReferenceRun:
    """What reference_run.json says: the model's boxes in one of `every` frames of the clip, by the frame's number.

    `frames` are its boxes on nvinfer's pixels, `own` those with its own preprocessing, which `origin` describes.
    """

    every: int
    frames: dict[int, list[Detection]]
    own: dict[int, list[Detection]]
    origin: str


def run_reference(
    onnx_file: Path, model: ReferenceModel, video: Path, size: tuple[int, int], numbers: Sequence[int]
) -> dict[int, list[Detection]]:
    """Return the reference boxes of the frames of these numbers."""
    runner = session(onnx.load(onnx_file))
    return {
        number: reference_boxes(model, answers(runner, pixels), place)
        for number, pixels, place in pictures(model, video, size, numbers)
    }


def own_boxes(
    model: Model, reference: Reference, labels: Sequence[str], video: Path, numbers: Sequence[int]
) -> dict[int, list[Detection]]:
    """Return the boxes that the model finds with its own preprocessing: FFmpeg's RGB and ONNX Runtime in float32."""
    found = {}
    for number, frame in decoded_frames(video, numbers):
        own = reference.pixels(rgb_of(frame))
        found[number] = [
            Detection(labels[int(row[0])], *row[1:].tolist())
            for row in model.rows(own.tensor * model.std, own.picture, frame)
            if row[5] >= model.decoder.threshold
        ]
    return found


@dataclass(frozen=True)
class EngineRun:
    """What engine_run.json says: the engine's boxes on the reference run's pixels, by the frame's number.

    `frames` is None where the engine could not be asked; `problem` then says why.
    """

    engine: str
    frames: dict[int, list[Detection]] | None
    problem: str | None = None


def run_engine(
    asked: AskedEngine | EmbeddedEngine,
    model: ReferenceModel,
    video: Path,
    size: tuple[int, int],
    numbers: Sequence[int],
    at_once: int,
) -> EngineRun:
    """Return the boxes that an engine's answers hold, as the reference decoder reads them; `at_once` images a call."""
    found: dict[int, list[Detection]] = {}
    try:
        images = pictures(model, video, size, numbers)
        while part := list(islice(images, at_once)):
            answered = asked.answers(np.concatenate([pixels for _, pixels, _ in part]))
            for row, (number, _, place) in enumerate(part):
                outputs = {name: values[row : row + 1] for name, values in answered.items()}
                found[number] = reference_boxes(model, outputs, place)
    except (ToolFailedError, AnswersError) as error:
        return EngineRun(asked.engine.name, None, str(error))
    return EngineRun(asked.engine.name, found)


HOST_OBJECT_BYTES = 28
TYPE_NAMES = {"float32": "fp32", "float16": "fp16", "int64": "int64", "int32": "int32", "uint8": "uint8"}


class ParserFaultError(BuildError):
    """A parser that cannot be loaded, that throws, or whose objects are not the host's."""


def can_run_parser(library: Path) -> bool:
    """Return whether the host reads the objects of `library`: those of DeepStream 9 and later."""
    try:
        stated = ctypes.c_uint.in_dll(ctypes.CDLL(str(library.resolve())), "NvDsInferParseObjectBytes")
    except (OSError, ValueError):
        return True  # the run itself says what is wrong with it
    return stated.value == HOST_OBJECT_BYTES


class ParserRun:
    """A parser's library behind nvinfer's interface, for tensors like `outputs` [1, ...]."""

    def __init__(
        self,
        library: Path,
        symbol: str,
        model: ReferenceModel,
        size: tuple[int, int],
        outputs: Mapping[str, np.ndarray],
    ):
        network = NetworkInput(model.preprocessing, *size)
        keep_all = ClassAttributes(model.threshold, 0.0, 1.0, -1, *[0] * 6)
        # No clustering after the parser.
        settings = ParserSettings(
            library.resolve(), symbol, (keep_all,) * len(model.labels), nms=False, filtered_out=frozenset()
        )
        bindings = [
            Binding(name, value.shape[1:], TYPE_NAMES.get(value.dtype.name, value.dtype.name))
            for name, value in outputs.items()
        ]
        try:
            self._host = Postprocessor(network.host, settings, network.mux, network.network, bindings)
        except HostError as error:
            raise ParserFaultError(f"{symbol} cannot be used: {error}") from error

    def boxes(self, outputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return rows of class, left, top, width, height, score in frame pixels."""
        try:
            (found,) = self._host.run(list(outputs.values()))
        except HostError as error:
            raise ParserFaultError(f"it fails on the model's tensors: {error}") from error
        if found is None:
            raise ParserFaultError("it refuses the model's tensors")
        fields = ("class_id", "left", "top", "width", "height", "confidence")
        return np.column_stack([found[field].astype(np.float64) for field in fields])
