"""The graph parts that turn the rows of published heads into what a parser reads, in plain operators of any opset."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx

from dsbench.families.graph_signs import scores as are_scores
from dsbench.families.reference_decoders import Y_FIRST

XY, WH, BOX = (0, 1), (2, 3), (0, 1, 2, 3)
# Behind the background.
FACE = (1,)
# Of SSD and all that took its coder over: centres move by a tenth of the anchor, sides grow by exp of a fifth.
CENTRE_VARIANCE, SIZE_VARIANCE = 0.1, 0.2


class AppendedNodes:
    """Nodes and weights that are put behind a graph's tensors; names begin with `prefix`, which no graph has yet."""

    def __init__(self, prefix: str):
        self.prefix = prefix
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def put(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Append one node and return its output's name."""
        name = f"{self.prefix}/{op}_{len(self.nodes)}"
        self.nodes.append(onnx.helper.make_node(op, list(inputs), [name], name, **attributes))
        return name

    def constant(self, values: object, kind: type = np.float32) -> str:
        """Append one weight and return its name."""
        name = f"{self.prefix}/constant_{len(self.weights)}"
        self.weights.append(onnx.numpy_helper.from_array(np.asarray(values, kind), name))
        return name

    def columns(self, rows: str, which: Sequence[int]) -> str:
        """Return these columns of [B, N, K]."""
        return self.put("Gather", rows, self.constant(which, np.int64), axis=2)

    def beside(self, *rows: str) -> str:
        """Return [B, N, K1 + K2 + ...]."""
        return self.put("Concat", *rows, axis=2)

    def corners(self, centres: str, sizes: str) -> str:
        """Return left, top, right, bottom of centres [B, N, 2] and sizes [B, N, 2]."""
        half = self.put("Mul", sizes, self.constant(0.5))
        return self.beside(self.put("Sub", centres, half), self.put("Add", centres, half))

    def onto(self, model: onnx.ModelProto, outputs: Mapping[str, str], batch: int | str) -> onnx.ModelProto:
        """Return the model whose only outputs are these float32 tensors [`batch`, ., .], by public name."""
        ended = onnx.ModelProto()
        ended.CopyFrom(model)
        del ended.graph.output[:]
        for name, tensor in outputs.items():
            self.nodes.append(onnx.helper.make_node("Identity", [tensor], [name], name))
            kind = onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [batch, None, None])
            ended.graph.output.append(kind)
        ended.graph.node.extend(self.nodes)
        ended.graph.initializer.extend(self.weights)
        return ended


class HeadPart(AppendedNodes):
    """The decoding of one head.

    `rows` names the tensor [B, N, K] of each role, `values` holds the real [M, K] ones of some pictures. `cells` has
    column, row, stride in pixels and anchor size in pixels of all N rows; `size` is the network's height and width.
    """

    def __init__(self, values: Mapping[str, np.ndarray], cells: np.ndarray, size: tuple[int, int]):
        super().__init__("joined")
        self.rows: dict[str, str] = {}
        self.values, self.cells, self.size = values, cells, size

    @property
    def stride(self) -> np.ndarray:
        """Stride of each row [N, 1]."""
        return self.cells[:, 2:3]

    def points(self, offset: float) -> np.ndarray:
        """Return x and y in pixels of each row's cell [N, 2], `offset` of the cell from its corner."""
        return (self.cells[:, :2] + offset) * self.stride

    def column(self, values: np.ndarray) -> str:
        """Return a weight [1, N, K] of one row for each row."""
        return self.constant(values[None])

    def probability(self, role: str) -> str:
        """Return the role's rows as scores: as they are where all are within 0..1, else behind a Sigmoid."""
        rows = self.rows[role]
        return rows if are_scores(self.values[role]) else self.put("Sigmoid", rows)

    def softmax(self, role: str) -> str:
        """Return the role's rows as a softmax: as they are where they are one, else behind a Softmax."""
        rows = self.rows[role]
        return rows if sums_to_one(self.values[role]) else self.put("Softmax", rows, axis=2)

    def from_anchors(self, centres: np.ndarray, sizes: np.ndarray, move: float, grow: float) -> str:
        """Return corners of boxes that lie `move` anchors away per unit and are exp(`grow` x unit) anchors large."""
        boxes = self.rows["boxes"]
        moved = self.put("Mul", self.columns(boxes, XY), self.column(sizes * move))
        grown = self.put("Exp", self.put("Mul", self.columns(boxes, WH), self.constant(grow)))
        grown = self.put("Mul", grown, self.column(sizes))
        return self.corners(self.put("Add", moved, self.column(centres)), grown)


Outputs = dict[str, str]


def sums_to_one(values: np.ndarray) -> bool:
    """Tell rows that are a softmax."""
    return bool(are_scores(values) and np.allclose(values.sum(axis=1), 1, atol=1e-2))


def boxes_and_scores(boxes: str, scores: str) -> Outputs:
    """Return the two outputs by public name."""
    return {"joined_boxes": boxes, "joined_scores": scores}


def scores_before_bins(part: HeadPart) -> Outputs:
    """PicoDet, as NanoDet-Plus exports it joined: the scores of all classes, then 4 x 8 bins."""
    return {"joined_rows": part.beside(part.probability("scores"), part.rows["bins"])}


def yolox_rows(part: HeadPart) -> Outputs:
    """YOLOX, as its exporter joins it: a box in units of its cell, objectness, classes."""
    rows, values = part.rows["rows"], part.values["rows"]
    if not are_scores(values[:, 4:]):
        scores = part.put("Sigmoid", part.columns(rows, range(4, values.shape[1])))
        rows = part.beside(part.columns(rows, BOX), scores)
    return {"joined_rows": rows}


def yolox_of_parts(part: HeadPart) -> Outputs:
    """YOLOX with boxes, objectness and classes in outputs of their own, as MMDetection's head has them."""
    scores = [part.probability(role) for role in ("objectness", "scores")]
    return {"joined_rows": part.beside(part.rows["boxes"], *scores)}


def yolo_v8_rows(part: HeadPart) -> Outputs:
    """YOLOv8 with a side's 16 bins and the classes in one output."""
    rows, values = part.rows["rows"], part.values["rows"]
    which = {"bins": range(64), "scores": range(64, values.shape[1])}
    part.rows = {role: part.columns(rows, columns) for role, columns in which.items()}
    part.values = {role: values[:, list(columns)] for role, columns in which.items()}
    return yolo_v8_of_parts(part)


def yolo_v8_of_parts(part: HeadPart) -> Outputs:
    """YOLOv8: a side is the expected bin x stride away from the middle of the cell."""
    count, bins = len(part.cells), 16
    sides = part.put("Reshape", part.rows["bins"], part.constant([-1, count, 4, bins], np.int64))
    expected = part.put("MatMul", part.put("Softmax", sides, axis=3), part.constant(np.arange(bins)[:, None]))
    distances = part.put("Reshape", expected, part.constant([-1, count, 4], np.int64))
    distances = part.put("Mul", distances, part.column(part.stride))
    before, behind = part.columns(distances, XY), part.columns(distances, WH)
    moved = part.put("Mul", part.put("Sub", behind, before), part.constant(0.5))
    centres = part.put("Add", moved, part.column(part.points(0.5)))
    rows = part.beside(centres, part.put("Add", before, behind), part.probability("scores"))
    return {"joined_channels": part.put("Transpose", rows, perm=[0, 2, 1])}


def scrfd(part: HeadPart) -> Outputs:
    """SCRFD: a side is the distance x stride away from the corner of the cell."""
    distances = part.put("Mul", part.rows["boxes"], part.column(part.stride))
    points = part.column(part.points(0))
    corners = part.beside(
        part.put("Sub", points, part.columns(distances, XY)),
        part.put("Add", points, part.columns(distances, WH)),
    )
    return boxes_and_scores(corners, part.probability("scores"))


def retinaface(part: HeadPart) -> Outputs:
    """RetinaFace in PyTorch: SSD's coder, anchors in the middle of the cell, a softmax of background and face."""
    sizes = np.repeat(part.cells[:, 3:4], 2, axis=1)
    boxes = part.from_anchors(part.points(0.5), sizes, CENTRE_VARIANCE, SIZE_VARIANCE)
    return boxes_and_scores(boxes, part.columns(part.softmax("scores"), FACE))


def retinaface_insightface(part: HeadPart) -> Outputs:
    """RetinaFace of InsightFace: anchors around pixel 7.5 of the cell, deltas without variances."""
    sizes = np.repeat(part.cells[:, 3:4], 2, axis=1)
    corners = part.from_anchors(part.points(0) + 7.5, sizes, 1.0, 1.0)
    # Its sides count the last pixel: from 0 to 15 are 16.
    corners = part.put("Add", corners, part.constant([[[0.5, 0.5, -0.5, -0.5]]]))
    return boxes_and_scores(corners, part.columns(part.softmax("scores"), FACE))


def blazeface(part: HeadPart) -> Outputs:
    """BlazeFace: a box in pixels from the middle of its cell; key points behind it are left out."""
    boxes = part.rows["boxes"]
    centres = part.put("Add", part.columns(boxes, XY), part.column(part.points(0.5)))
    return boxes_and_scores(part.corners(centres, part.columns(boxes, WH)), part.probability("scores"))


def yunet(part: HeadPart) -> Outputs:
    """YuNet: YOLOX's box; the score is the geometric mean of class and objectness."""
    corners = part.from_anchors(part.points(0), np.repeat(part.stride, 2, axis=1), 1.0, 1.0)
    product = part.put("Mul", part.probability("scores"), part.probability("objectness"))
    return boxes_and_scores(corners, part.put("Sqrt", product))


def ssd(part: HeadPart, anchors: np.ndarray, y_first: bool, softmax: bool) -> Outputs:
    """SSD: `anchors` [N, 4] are centre x, centre y, width, height as fractions; with `y_first` deltas are not so.

    The background stays the first of the scores' columns where it is one.
    """
    if y_first:
        part.rows["boxes"] = part.columns(part.rows["boxes"], Y_FIRST)
    height, width = part.size
    pixels = anchors * ([width, height] * 2)
    boxes = part.from_anchors(pixels[:, :2], pixels[:, 2:], CENTRE_VARIANCE, SIZE_VARIANCE)
    return boxes_and_scores(boxes, part.softmax("scores") if softmax else part.probability("scores"))
