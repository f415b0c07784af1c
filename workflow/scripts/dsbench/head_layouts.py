"""Heads in separate outputs: the published layouts, and which of them a graph's outputs have by their shapes."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from dsbench import head_graph
from dsbench.dense_anchors import grid_cells
from dsbench.final_boxes import LARGEST_FRACTION, Y_FIRST
from dsbench.graph_signs import scores as are_scores
from dsbench.head_graph import HeadPart, Outputs, sums_to_one

ROWS, MAPS = ("rows", "columns"), ("maps", "maps_last", "anchor_maps", "anchor_maps_last")
Values = Mapping[str, np.ndarray]
# What is done to an output, without its batch axis, to make rows of it: an operator and its perm or shape.
Steps = tuple[tuple[str, tuple[int, ...]], ...]


@dataclass(frozen=True)
class Level:
    """Cells of one stride in pixels; `sizes` has the anchors of each in pixels, 0 where the head has no size."""

    stride: int
    sizes: tuple[float, ...] = (0,)

    def cells(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return rows and columns of cells for a network of height and width `size`."""
        return tuple(-(-side // self.stride) for side in size)


@dataclass(frozen=True)
class Part:
    """What one output holds of each anchor: so many columns, and one for each class with `classes`.

    With `classes_first` the channels of a map are first those of all anchors for class 0, then for class 1. What is
    `unused` is no part of a detection.
    """

    role: str
    columns: int
    classes: bool = False
    optional: bool = False
    classes_first: bool = False
    unused: bool = False

    def takes(self, columns: int) -> bool:
        """Tell whether an output of so many columns may be this part."""
        return columns > self.columns if self.classes else columns == self.columns


@dataclass(frozen=True)
class Layout:
    """One published way to give a head in separate outputs.

    `join` appends the decoding; None where the outputs do not tell it, and `missing` then says what is not there.
    `fits` looks at real values by role. `pieces` are the channels that the graph concatenates to a map, -1 for the
    classes. `forms` are those in which the head is published. With `alike` roles of as many columns are the same.
    """

    family: str
    title: str
    levels: tuple[Level, ...]
    parts: tuple[Part, ...]
    join: Callable[[HeadPart], Outputs] | None = None
    fits: Callable[[Values], bool] = lambda values: True
    pieces: tuple[int, ...] = ()
    forms: tuple[str, ...] = (*ROWS, *MAPS)
    alike: bool = False
    missing: str = ""


@dataclass(frozen=True)
class Group:
    """Outputs that together have all rows of one part, by level, and the steps that make rows of each."""

    columns: int
    outputs: tuple[tuple[str, Steps], ...]

    @property
    def names(self) -> frozenset[str]:
        """Names of the outputs."""
        return frozenset(name for name, _ in self.outputs)


@dataclass(frozen=True)
class Reading:
    """One way to read a graph's outputs: a layout, and the outputs of each part by role."""

    layout: Layout
    groups: Mapping[str, Group]
    size: tuple[int, int]

    @property
    def classes(self) -> int:
        """Number of class columns; 1 for a layout of one class."""
        counts = [self.groups[part.role].columns - part.columns for part in self.layout.parts if part.classes]
        return counts[0] if counts else 1

    def cells(self) -> np.ndarray:
        """Return column, row, stride and anchor size of each row [N, 4], in the order of the joined rows."""
        height, width = self.size
        if not self.layout.levels:
            return np.empty((0, 4))
        return np.concatenate(
            [
                np.column_stack(
                    [
                        np.repeat(grid_cells(width, height, [level.stride]), len(level.sizes), axis=0),
                        np.tile(level.sizes, int(np.prod(level.cells(self.size)))),
                    ]
                )
                for level in self.layout.levels
            ]
        ).astype(np.float64)

    def values(self, answers: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """Return the rows [M, K] of each role in the answers to some pictures."""
        return {
            role: np.concatenate(
                [applied(answer[name], steps)[0] for answer in answers for name, steps in group.outputs]
            )
            for role, group in self.groups.items()
        }


def applied(array: np.ndarray, steps: Steps) -> np.ndarray:
    """Return an output's rows [B, N, K]."""
    for op, argument in steps:
        array = array.transpose(argument) if op == "Transpose" else array.reshape(argument)
    return array


def readings(outputs: Mapping[str, Sequence[int]], size: tuple[int, int]) -> list[Reading]:
    """Return every way in which all outputs, by name and measured dims, are parts of a published layout."""
    found = []
    for layout in LAYOUTS:
        groups = list(_groups(outputs, layout, size))
        ways = [w for w in _ways(layout.parts, groups) if _names(w.values()) == set(outputs)]
        found += [Reading(layout, way, size) for way in (ways[:1] if layout.alike else ways)]
    return found


def _names(groups: Sequence[Group]) -> set[str]:
    return set().union(*(group.names for group in groups))


def _groups(
    outputs: Mapping[str, Sequence[int]], layout: Layout, size: tuple[int, int]
) -> Iterator[tuple[Part, Group]]:
    """Yield the outputs that may be one part: one of each level, or one with the rows of all levels."""
    places = [(index,) for index in range(len(layout.levels))]
    places += [tuple(range(len(layout.levels)))] if len(layout.levels) > 1 else []
    for part in layout.parts:
        found: dict = defaultdict(lambda: defaultdict(list))
        for name, dims in outputs.items():
            for place in places:
                levels = [layout.levels[index] for index in place]
                for form, columns, steps in _forms(dims, levels, size, part):
                    if form in layout.forms and part.takes(columns):
                        found[form, len(place) > 1, columns][place].append((name, steps))
        for (_, whole, columns), by_place in found.items():
            wanted = places[-1:] if whole else places[: len(layout.levels)]
            if set(by_place) == set(wanted):
                for together in zip(*(by_place[place] for place in wanted), strict=False):
                    yield part, Group(columns, together)


def _forms(
    dims: Sequence[int], levels: Sequence[Level], size: tuple[int, int], part: Part
) -> Iterator[tuple[str, int, Steps]]:
    """Yield how an output of these dims may hold rows of these levels: the form's name, columns, and steps."""
    count = sum(len(level.sizes) * int(np.prod(level.cells(size))) for level in levels)
    if len(dims) in (2, 3):
        # Without a batch axis the rows of all images stand below each other.
        rows, columns = dims[-2:]
        if rows == count:
            yield "rows", columns, (("Reshape", (-1, count, columns)),)
        if list(dims) == [1, count]:
            yield "rows", 1, (("Reshape", (-1, count, 1)),)
        if columns == count and len(dims) == 3:
            yield "columns", rows, (("Transpose", (0, 2, 1)),)
    if len(levels) > 1 or len(dims) < 4:
        return
    height, width = levels[0].cells(size)
    anchors = len(levels[0].sizes)
    if len(dims) == 4:
        for form, channels, cells, perm in (
            ("maps", dims[1], dims[2:], (0, 2, 3, 1)),
            ("maps_last", dims[3], dims[1:3], (0, 1, 2, 3)),
        ):
            if list(cells) == [height, width] and channels % anchors == 0:
                yield form, channels // anchors, _of_map(count, channels // anchors, anchors, perm, part)
    elif len(dims) == 5 and dims[1] == anchors:
        for form, columns, cells, perm in (
            ("anchor_maps", dims[4], dims[2:4], (0, 2, 3, 1, 4)),
            ("anchor_maps_last", dims[2], dims[3:], (0, 3, 4, 1, 2)),
        ):
            if list(cells) == [height, width]:
                yield form, columns, (("Transpose", perm), ("Reshape", (-1, count, columns)))


def _of_map(count: int, columns: int, anchors: int, perm: tuple[int, ...], part: Part) -> Steps:
    steps = (("Transpose", perm),) if perm != (0, 1, 2, 3) else ()
    if part.classes_first and anchors > 1:
        apart = (-1, count // anchors, columns, anchors)
        steps += (("Reshape", apart), ("Transpose", (0, 1, 3, 2)))
    return (*steps, ("Reshape", (-1, count, columns)))


def _ways(parts: Sequence[Part], groups: list[tuple[Part, Group]]) -> Iterator[dict[str, Group]]:
    """Yield every choice of a group for each part such that no output is taken twice."""
    if not parts:
        yield {}
        return
    part, *rest = parts
    for of, group in groups:
        if of is part:
            free = [(other, taken) for other, taken in groups if not taken.names & group.names]
            for others in _ways(rest, free):
                yield {part.role: group} | others
    if part.optional:
        yield from _ways(rest, groups)


def _levels(strides: Sequence[int], anchors: int = 1) -> tuple[Level, ...]:
    return tuple(Level(stride, (0,) * anchors) for stride in strides)


def _sized(**sizes: tuple[float, ...]) -> tuple[Level, ...]:
    return tuple(Level(int(stride[1:]), anchors) for stride, anchors in sizes.items())


def _are_logits(role: str, columns: slice = slice(None)) -> Callable[[Values], bool]:
    """Return the test that some of these numbers are no scores: bins, offsets and logits leave 0 to 1."""
    return lambda values: not are_scores(values[role][:, columns])


P3 = (8, 16, 32)
P3_TO_P7 = (8, 16, 32, 64, 128)
SCORES, BOXES, LANDMARKS = Part("scores", 1), Part("boxes", 4), Part("landmarks", 10, unused=True)
CLASSES, ONE = Part("scores", 0, classes=True), Part("objectness", 1)
PAIR = Part("scores", 2, classes_first=True)
MAY_HAVE_LANDMARKS = Part("landmarks", 10, optional=True, unused=True)
MEDIAPIPE = (SCORES, Part("boxes", 16))
NO_ANCHORS = (
    "the sizes of its three anchors in each cell are not in the file, and YOLOv3, v5, v7 and trained models differ in"
    " them; export it with its Detect layer's decoding, as YOLOv5's export.py (v7's with --grid) does:"
    " [B, 3 x cells, 5 + classes]"
)
NO_UNIT = (
    "whether its four distances begin in the corner or the middle of the cell, and are in cells or pixels, differs"
    " between FCOS, GFL, RTMDet, YOLOv6 and PP-YOLOE; append their decoding, and Concat the levels to boxes [B, N, 4]"
    " in pixels beside scores [B, N, classes]"
)
NO_CODER = (
    "its anchors are no centres and sizes as fractions, so that nothing tells whether deltas are scaled by 0.1 and 0.2"
    " (SSD) or not (RetinaNet, EfficientDet); append the decoding to boxes [B, N, 4] in pixels beside the scores"
)

# The numbers are those of each project's own post-processing: PaddleDetection's pico_head, YOLOX's yolo_head,
# Ultralytics' Detect, InsightFace's scrfd.py and retinaface.py, Pytorch_Retinaface's prior_box.py and its sibling
# Face-Detector-1MB, MediaPipe's SsdAnchorsCalculator options, OpenCV's face_detect.cpp.
LAYOUTS = (
    Layout(
        "picodet",
        "scores and 4 x 8 distance bins at strides 8 to 64",
        _levels((8, 16, 32, 64)),
        (CLASSES, Part("bins", 32)),
        head_graph.scores_before_bins,
        _are_logits("bins"),
    ),
    Layout(
        "yolox_raw",
        "a box, objectness and classes in one map of strides 8, 16, 32",
        _levels(P3),
        (Part("rows", 5, classes=True),),
        head_graph.yolox_rows,
        _are_logits("rows", slice(0, 4)),
        pieces=(4, 1, -1),
    ),
    Layout(
        "yolox_raw",
        "boxes, objectness and classes at strides 8, 16, 32, with boxes that are no distances",
        _levels(P3),
        (BOXES, ONE, CLASSES),
        head_graph.yolox_of_parts,
        lambda values: bool((values["boxes"] < 0).any()),
        alike=True,
    ),
    Layout(
        "yolo_v8",
        "4 x 16 distance bins and classes in one map of strides 8, 16, 32",
        _levels(P3),
        (Part("rows", 64, classes=True),),
        head_graph.yolo_v8_rows,
        _are_logits("rows", slice(4, 64)),
        pieces=(64, -1),
    ),
    Layout(
        "yolo_v8",
        "4 x 16 distance bins and classes at strides 8, 16, 32",
        _levels(P3),
        (Part("bins", 64), CLASSES, Part("sum", 1, optional=True, unused=True)),
        head_graph.yolo_v8_of_parts,
        _are_logits("bins"),
        alike=True,
    ),
    *(
        Layout("scrfd", f"scores, distances and landmarks at strides {name}", levels, parts, head_graph.scrfd)
        for name, levels in (("8, 16, 32, two anchors", _levels(P3, 2)), ("8 to 128", _levels(P3_TO_P7)))
        for parts in [(SCORES, BOXES, MAY_HAVE_LANDMARKS)]
    ),
    Layout(
        "retinaface",
        "two scores, deltas and landmarks for anchors of 16 to 512 pixels at strides 8, 16, 32",
        _sized(s8=(16, 32), s16=(64, 128), s32=(256, 512)),
        (PAIR, BOXES, LANDMARKS),
        head_graph.retinaface,
        forms=ROWS,
    ),
    Layout(
        "face_1mb",
        "two scores, deltas and landmarks for anchors of 10 to 256 pixels at strides 8, 16, 32",
        _sized(s8=(10, 20), s16=(32, 64), s32=(128, 256)),
        (PAIR, BOXES, LANDMARKS),
        head_graph.retinaface,
        forms=ROWS,
    ),
    Layout(
        "face_1mb",
        "two scores, deltas and landmarks for anchors of 10 to 256 pixels at strides 8 to 64",
        _sized(s8=(10, 16, 24), s16=(32, 48), s32=(64, 96), s64=(128, 192, 256)),
        (PAIR, BOXES, LANDMARKS),
        head_graph.retinaface,
        forms=ROWS,
    ),
    Layout(
        "retinaface_insightface",
        "maps of two scores, deltas and landmarks for anchors of 16 to 512 pixels at strides 8, 16, 32",
        _sized(s8=(32, 16), s16=(128, 64), s32=(512, 256)),
        (PAIR, BOXES, LANDMARKS),
        head_graph.retinaface_insightface,
        forms=MAPS,
    ),
    *(
        Layout(
            "blazeface",
            f"regressors of 16 and classificators, {name}",
            levels,
            MEDIAPIPE,
            head_graph.blazeface,
        )
        for name, levels in (
            ("896 anchors at strides 8 and 16", (*_levels((8,), 2), *_levels((16,), 6))),
            ("896 anchors at strides 16 and 32", (*_levels((16,), 2), *_levels((32,), 6))),
            ("2304 anchors at stride 4", _levels((4,))),
        )
    ),
    Layout(
        "yunet",
        "scores, objectness, boxes and landmarks at strides 8, 16, 32",
        _levels(P3),
        (SCORES, ONE, BOXES, LANDMARKS),
        head_graph.yunet,
        alike=True,
    ),
    *(
        Layout(
            "yolo_v5",
            "three anchors in each cell",
            levels,
            (Part("rows", 5, classes=True),),
            missing=NO_ANCHORS,
        )
        for levels in (_levels(P3, 3), _levels((8, 16, 32, 64), 3), _levels((16, 32), 3))
    ),
    *(
        Layout(
            "distances of unknown unit",
            "four distances and classes for each cell",
            levels,
            (BOXES, CLASSES, Part("centerness", 1, optional=True)),
            fits=lambda values: bool((values["boxes"] >= 0).all()),
            alike=True,
            missing=NO_UNIT,
        )
        for levels in (_levels(P3), _levels((8, 16, 32, 64)), _levels(P3_TO_P7))
    ),
)


def with_anchors(
    outputs: Mapping[str, Sequence[int]], constant: Mapping[str, np.ndarray], size: tuple[int, int]
) -> list[Reading]:
    """Return how outputs are SSD's: deltas, scores and, as the one output that no picture changes, the anchors.

    `constant` has the outputs that are the same for all pictures.
    """
    flat = {name: tuple(dims)[-2:] for name, dims in outputs.items() if len(dims) in (2, 3)}
    anchors = [name for name in constant if flat.get(name, (0, 0))[1] == 4]
    if (
        len(outputs) != 3
        or len(flat) != 3
        or len(anchors) != 1
        or len({rows for rows, _ in flat.values()}) != 1
    ):
        return []
    layouts = _ssd_layouts(np.asarray(constant[anchors[0]], np.float64).reshape(-1, 4))
    found = []
    for boxes in sorted(set(flat) - set(anchors)):
        [scores] = set(flat) - {boxes, *anchors}
        if flat[boxes][1] == 4:
            names = {"boxes": boxes, "scores": scores}
            groups = {r: Group(flat[n][1], ((n, (("Reshape", (-1, *flat[n])),)),)) for r, n in names.items()}
            found += [Reading(layout, groups, size) for layout in layouts]
    return found


def _ssd_layouts(anchors: np.ndarray) -> list[Layout]:
    """Return SSD's layouts for anchors [N, 4] of centre and size, x or y first; what they are not, nothing decodes."""
    # Cells follow each other along x, so x is what changes more often from anchor to anchor.
    deltas = _are_logits("boxes")
    often = (np.diff(anchors[:, :2], axis=0) != 0).sum(axis=0)
    if (anchors[:, 2:] >= anchors[:, :2]).all() or anchors.max() > LARGEST_FRACTION or often[0] == often[1]:
        title = "deltas, scores, anchors"
        return [
            Layout("anchors of no known form", title, (), (BOXES, CLASSES), None, deltas, missing=NO_CODER)
        ]
    y_first = bool(often[1] > often[0])
    anchors = anchors[:, Y_FIRST] if y_first else anchors

    def layout(
        family: str, title: str, background: int, softmax: bool, fits: Callable[[np.ndarray], bool]
    ) -> Layout:
        join = partial(head_graph.ssd, anchors=anchors, y_first=y_first, softmax=softmax)
        parts = (BOXES, Part("scores", background, classes=True))
        return Layout(family, f"SSD, {title}", (), parts, join, lambda v: deltas(v) and fits(v["scores"]))

    return [
        layout(
            "ssd_decoded_pixels",
            "a softmax with the background in front",
            1,
            True,
            lambda scores: sums_to_one(scores) or not are_scores(scores),
        ),
        layout("ssd_decoded_pixels", "sigmoids with the background in front", 1, False, _no_softmax),
        layout("boxes_and_scores", "sigmoids of classes alone", 0, False, _no_softmax),
    ]


def _no_softmax(scores: np.ndarray) -> bool:
    return not sums_to_one(scores)
