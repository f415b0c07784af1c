"""What a family of detectors is: its signs, its head, and what nvinfer is told about it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from dsbench.families.graph_facts import GraphFacts

Setting = bool | int | float | str
# Dims of each tensor by role, batch first, a name where symbolic.
RoleDims = Mapping[str, Sequence[int | str]]
# How far the picture lies right of and below its place in the network, in network pixels.
Shift = tuple[float, float]
NO_SHIFT: Shift = (0.0, 0.0)
# The picture's left, top, right and bottom edge in the network, in network pixels.
Edges = tuple[float, float, float, float]
BEYOND_ANY_NETWORK = 2.0**20
WHOLE_NETWORK: Edges = (0.0, 0.0, BEYOND_ANY_NETWORK, BEYOND_ANY_NETWORK)


@dataclass(frozen=True)
class FrameTensors:
    """One frame's output tensors by role, without the batch axis, and what a parser is told beside them.

    `thresholds` has one score per class; `width` and `height` are the network's, in pixels; `shift` is taken off
    the boxes, which end at the picture's `edges`.
    """

    tensors: Mapping[str, np.ndarray]
    width: int
    height: int
    thresholds: np.ndarray
    shift: Shift = NO_SHIFT
    edges: Edges = WHOLE_NETWORK


@dataclass(frozen=True)
class Head:
    """One way in which detections lie in tensors: the C++ that decodes it, and the reference it is proven against.

    `roles` are the names by which parser and reference know the tensors; a tensor's own name is a family's or
    a model's. `settings` are the parser's other constants with their defaults. `decode` gives float64 rows
    [N, 6] of class, left, top, width, height (network pixels, clipped) and score, best first, each with a
    score above the threshold of its class. `classes` gives the number of classes, background not counted, from
    the tensors' dims and the settings, None where the tensors do not tell. `background_behind` is whether a column
    for the background follows those of the classes. `anchors` gives from the dims how many rows a head with anchors
    at each grid cell has, and is None for other heads.
    """

    parser_source: str
    parser_symbol: str
    roles: tuple[str, ...]
    decode: Callable[[FrameTensors, Mapping[str, Setting]], np.ndarray]
    classes: Callable[[RoleDims, Mapping[str, Setting]], int | None]
    settings: Mapping[str, Setting] = field(default_factory=dict)
    background_behind: bool = False
    anchors: Callable[[RoleDims], int | str] | None = None


@dataclass(frozen=True)
class HeadFacts:
    """What a model's ONNX has of its family, as inspect.json and what comes before it say.

    `tensors` are the outputs' names by role. `class_count` is None where the tensors do not tell it; then
    `largest_class` is the largest id among one picture's detections. `background_behind` is whether a background
    class follows the last one.
    """

    family: str
    tensors: dict[str, str]
    settings: dict[str, Setting]
    class_count: int | None
    background_behind: bool
    parser_source: str
    parser_symbol: str
    largest_class: int | None


@dataclass(frozen=True)
class PixelRule:
    """What a family's own pipeline does to an 8-bit frame where no preprocessor_config.json says it.

    y = (x * scale - mean) / std per channel of `color`; `padding` is none (stretched), corner (right and
    bottom) or centre, and `fill` what is in it, 0..255, None where that is not said.
    """

    color: str = "RGB"
    scale: float = 1 / 255
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    padding: str = "none"
    fill: float | None = None


@dataclass(frozen=True)
class Sign:
    """How a graph gives its family away: `rank` is the row of the decision table, the lowest that matches wins."""

    rank: int
    seen: str
    matches: Callable[[GraphFacts], bool]


@dataclass(frozen=True)
class Family:
    """Everything the build knows about one kind of detector.

    `architectures` gives config.json's model_type for each of its architectures. `tensors` names the output of
    each role, from the graph's facts. `example` makes one frame's tensors by role from a random generator, the
    number of classes, and the network's width and height, some of its detections above the threshold: tests
    prove parser and reference on it. `settings_of` gives, from the graph's facts, the settings that models of the
    family do not share.
    """

    name: str
    head: Head
    tensors: Callable[[GraphFacts], Mapping[str, str]]
    example: Callable[[np.random.Generator, int, int, int], Mapping[str, np.ndarray]]
    cluster_mode: int
    default_threshold: float
    nms_iou_threshold: float | None = None
    architectures: Mapping[str, str] = field(default_factory=dict)
    signs: tuple[Sign, ...] = ()
    settings: Mapping[str, Setting] = field(default_factory=dict)
    settings_of: Callable[[GraphFacts], Mapping[str, Setting]] | None = None
    pixels: PixelRule = PixelRule()
    do_normalize_default: bool = False
    required_config: Mapping[str, object] = field(default_factory=dict)

    @property
    def normalizes(self) -> bool | None:
        """Whether its image processor normalises where the file does not say; None where transformers has none."""
        return self.do_normalize_default if self.architectures else None

    def all_settings(self) -> dict[str, Setting]:
        """Return the head's settings with this family's values."""
        unknown = set(self.settings) - set(self.head.settings)
        if unknown:
            raise ValueError(f"{self.name}: {self.head.parser_source} has no setting {sorted(unknown)}")
        return dict(self.head.settings) | dict(self.settings)


def named(**tensors: str) -> Callable[[GraphFacts], Mapping[str, str]]:
    """Return the `tensors` function of a family whose outputs always have the same names."""
    return lambda facts: tensors
