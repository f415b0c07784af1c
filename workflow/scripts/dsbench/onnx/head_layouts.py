"""The published layouts of heads in separate outputs, with the numbers that decode them."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from dsbench.families.graph_signs import scores as are_scores
from dsbench.families.reference_decoders import LARGEST_FRACTION, Y_FIRST
from dsbench.onnx import head_graph
from dsbench.onnx.head_graph import sums_to_one
from dsbench.onnx.head_outputs import MAPS, ROWS, Group, Layout, Level, Part, Reading, Values


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
