"""Small detectors whose heads come in separate outputs, as published layouts have them, and their rows in NumPy."""

from dataclasses import dataclass

import numpy as np
from onnx import helper

import tiny_graphs as graphs

NETWORK = (64, 96)


@dataclass(frozen=True)
class Heads:
    """One layout: anchors in each cell by stride, columns by role, and how the outputs lie.

    `form` is rows [B, N, K], flat [N, K], whole [B, N of all levels, K], maps [B, A x K, h, w] or maps_last. Outputs
    of a role with an activation are behind it.
    """

    levels: dict[int, int]
    columns: dict[str, int]
    size: tuple[int, int] = NETWORK
    form: str = "rows"
    activations: dict[str, str] | None = None

    def cells(self, stride):
        return -(-self.size[0] // stride), -(-self.size[1] // stride)


class Net:
    """Nodes and weights, each node named after its output."""

    def __init__(self):
        self.nodes, self.weights, self.outputs = [], [], []

    def put(self, op, inputs, name, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [name], **attributes))
        return name

    def weight(self, name, values, kind=np.int64):
        self.weights.append(graphs.constant(name, values, kind))
        return name


def level_output(net, heads, role, stride, batch, random):
    """Append one output of one level, a convolution of the picture, and return its name and dims."""
    name, anchors, columns = f"{role}_{stride}", heads.levels[stride], heads.columns[role]
    (height, width), channels = heads.cells(stride), anchors * columns
    kernel = net.weight(
        f"{name}/w", random.normal(size=(channels, 3, stride, stride)) * 2 / stride, np.float32
    )
    bias = net.weight(f"{name}/b", random.normal(size=channels) * 0.5, np.float32)
    pads = [0, 0, height * stride - heads.size[0], width * stride - heads.size[1]]
    tensor = net.put("Conv", ["image", kernel, bias], f"{name}/map", strides=[stride] * 2, pads=pads)
    dims = [batch, channels, height, width]
    if heads.form != "maps":
        tensor = net.put("Transpose", [tensor], f"{name}/last", perm=[0, 2, 3, 1])
        dims = [batch, height, width, channels]
    if heads.form in ("rows", "flat", "whole"):
        rows = height * width * anchors
        shape = [-1, columns] if heads.form == "flat" else [batch if batch == 1 else 0, rows, columns]
        tensor = net.put("Reshape", [tensor, net.weight(f"{name}/dims", shape)], f"{name}/rows")
        dims = ["rows", columns] if heads.form == "flat" else [batch, rows, columns]
    if activation := (heads.activations or {}).get(role):
        axis = {"axis": 2} if activation == "Softmax" else {}
        tensor = net.put(activation, [tensor], f"{name}/active", **axis)
    return tensor, dims


def model_of(heads, batch="batch"):
    """Return the detector; a batch of 1 is baked in."""
    net, random = Net(), np.random.default_rng(4)
    for role, columns in heads.columns.items():
        made = [level_output(net, heads, role, stride, batch, random) for stride in heads.levels]
        if heads.form == "whole":
            made = [
                (
                    net.put("Concat", [tensor for tensor, _ in made], f"{role}/all", axis=1),
                    [batch, "n", columns],
                )
            ]
        for (tensor, dims), stride in zip(made, heads.levels, strict=False):
            output = net.put("Identity", [tensor], f"out_{role}_{stride}")
            net.outputs.append(graphs.info(output, dims))
    image = graphs.info("image", [batch, 3, *heads.size])
    return graphs.model_of(net.nodes, [image], net.outputs, net.weights)


def rows_of(heads, answer, classes_first=()):
    """Yield stride, row, column, anchor and the numbers by role of each anchor in the answer to one picture.

    Channels of maps are those of one anchor after the other, or of one class after the other for `classes_first`.
    """
    before = 0
    for stride, anchors in heads.levels.items():
        height, width = heads.cells(stride)
        for row, column, anchor in np.ndindex(height, width, anchors):
            index = (row * width + column) * anchors + anchor
            numbers = {}
            for role, columns in heads.columns.items():
                channels = [anchor * columns + k for k in range(columns)]
                if role in classes_first:
                    channels = [k * anchors + anchor for k in range(columns)]
                if heads.form == "whole":
                    numbers[role] = answer[f"out_{role}_{min(heads.levels)}"][0, before + index]
                    continue
                output = answer[f"out_{role}_{stride}"]
                output = output if heads.form == "flat" else output[0]
                if heads.form == "maps":
                    numbers[role] = output[channels, row, column]
                elif heads.form == "maps_last":
                    numbers[role] = output[row, column, channels]
                else:
                    numbers[role] = output[index]
            yield stride, row, column, anchor, {role: n.astype(np.float64) for role, n in numbers.items()}
        before += height * width * anchors
