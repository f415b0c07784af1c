"""The records of a model's ONNX.

origin.json is of it before std is folded in, inspect.json describes it, and _fp16.json is of it in half precision.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from msgspec import UNSET, UnsetType

from dsbench.core.records import read_record
from dsbench.families.family import HeadFacts
from dsbench.pixels.preprocessing import Preprocessing


@dataclass(frozen=True)
class TensorFacts:
    """An input or output; `shape` has a name where an axis is symbolic."""

    name: str
    shape: list[int | str]
    dtype: str


@dataclass(frozen=True)
class GraphSummary:
    """What is counted in an ONNX; `ops` is how often each operator is in it, sizes are in bytes."""

    opset: int
    nodes: int
    producer: str
    input: TensorFacts
    outputs: list[TensorFacts]
    ops: dict[str, int]
    weight_bytes: int
    onnx_bytes: int


@dataclass(frozen=True)
class Recognised(HeadFacts):
    """What the ONNX was recognised as, and from what it was made.

    `names` are the class names by id that its metadata has, by the key there; `why` says what told the family, and
    `origin` how the ONNX came about. `exported_nodes` counts those before any repair. `nms_iou_threshold` is the
    overlap of the model's own NMS, None where nvinfer's clustering has the family's.
    """

    names: dict[str, dict[int, str]]
    license: str | None
    why: str
    origin: str
    exported_nodes: int | UnsetType
    nms_iou_threshold: float | None


@dataclass(frozen=True)
class Origin(Recognised):
    """What origin.json says: `dynamic` where the batch is free, `takes_levels` where the image is of bytes."""

    dynamic: bool
    notes: list[str]
    takes_levels: bool = False


@dataclass(frozen=True)
class Inspection(Recognised, GraphSummary):
    """What inspect.json says of the ONNX that nvinfer gets.

    `max_abs_error` is the largest difference from the source's answers at "batch_1" and "batch_3", of which
    `tolerance` is allowed. `largest_batch` is the largest at which TensorRT can address every tensor, None where no
    tensor is known to grow.
    """

    preprocessing: Preprocessing
    takes_levels: bool
    repair: str | None
    batch: Literal["dynamic", "static"]
    largest_batch: int | None
    max_abs_error: dict[str, float]
    tolerance: float
    notes: list[str]


@dataclass(frozen=True)
class ObjectCounts:
    """How many objects are found in either precision."""

    fp32: int
    fp16: int


@dataclass(frozen=True, kw_only=True)
class HalfAttempt:
    """A conversion that keeps some operators in float32, and how far its answers are from those in float32.

    Detections above `threshold` tell by their likeness, which has to be `least_likeness`. Where there are none,
    the tensors tell by `max_difference`, None for one that is not finite, which may be `largest_difference`. What was
    not compared is missing: all of it where `error` says why there is no valid graph.
    """

    kept_in_float32: str
    accepted: bool
    error: str | UnsetType = UNSET
    max_difference: float | UnsetType | None = UNSET
    told_by: Literal["detections", "tensors"] | UnsetType = UNSET
    threshold: float | UnsetType = UNSET
    detections: ObjectCounts | UnsetType = UNSET
    likeness: float | UnsetType = UNSET
    least_likeness: float | UnsetType = UNSET
    largest_difference: float | UnsetType = UNSET


@dataclass(frozen=True, kw_only=True)
class HalfPrecision(HalfAttempt):
    """What _fp16.json says: the attempt that was accepted, and those `refused` before it.

    `half_share` is the share of the weights' numbers that are in float16, `images` how many were compared.
    """

    half_share: float
    images: int
    refused: list[HalfAttempt]


@dataclass(frozen=True)
class ChosenFilter:
    """What the parser and nvinfer's configuration need of preprocess.json, whose record extends this one."""

    scaling_filter: int


def read_proven(inspect: str | Path, proof: str | Path) -> Inspection:
    """Return what inspect.json says, with the scaling filter that the proof, preprocess.json, chose."""
    found = read_record(inspect, Inspection)
    chosen = read_record(proof, ChosenFilter).scaling_filter
    return replace(found, preprocessing=replace(found.preprocessing, scaling_filter=chosen))
