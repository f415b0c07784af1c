"""A detector that is drawn, not trained: it boxes what is bright, to a part of a pixel, and names its colour."""

import numpy as np
from onnx import helper

from tiny_graphs import constant, info, model_of

COLOURS = ("red", "green", "blue")
# What is above this level of 0..1 counts; the weights are those of light in BT.709.
LEAST_LEVEL, LIGHT = 0.4, (0.2126, 0.7152, 0.0722)
# The score is a sigmoid of this many times the level of its colour above the middle, less what the box is from square.
STEEPNESS, MIDDLE, SQUARENESS = 20.0, 0.28, 3.0


def _node(operator, inputs, output, **settings):
    return helper.make_node(operator, inputs.split(), [output], **settings)


def _axis(name, axis, across):
    """Nodes of the centre and the side of the bright part along an axis, in shares of the network: [B, 1]."""
    return [
        _node("ReduceSum", f"mass {across}", f"{name}_sums_of_one", keepdims=0),
        _node("Flatten", f"{name}_sums_of_one", f"{name}_sums", axis=1),
        _node("MatMul", f"{name}_sums {axis}", f"{name}_moment"),
        _node("MatMul", f"{name}_sums {axis}_squared", f"{name}_square"),
        _node("Div", f"{name}_moment total", f"{name}_centre"),
        _node("Div", f"{name}_square total", f"{name}_mean_square"),
        _node("Mul", f"{name}_centre {name}_centre", f"{name}_centre_squared"),
        _node("Sub", f"{name}_mean_square {name}_centre_squared", f"{name}_variance"),
        # A stripe of evenly spread mass is the root of 12 of its standard deviations long.
        _node("Mul", f"{name}_variance twelve", f"{name}_side_squared"),
        _node("Max", f"{name}_side_squared tiny", f"{name}_side_positive"),
        _node("Sqrt", f"{name}_side_positive", f"{name}_side"),
    ]


def centroid_detector(height, width):
    """Return images [batch, 3, height, width] of levels 0..1 -> logits [batch, 1, 3], pred_boxes [batch, 1, 4].

    The box has the centre and the spread of what is bright, so it follows the pixels to a small part of one. The score
    falls where the colour is paler, and where the box is not square.
    """
    places = {"xs": (np.arange(width) + 0.5) / width, "ys": (np.arange(height) + 0.5) / height}
    scalars = {"twelve": 12, "tiny": 1e-6, "aspect": width / height, "steepness": STEEPNESS, "middle": MIDDLE}
    weights = [
        constant("light", np.reshape(LIGHT, (1, 3, 1, 1)), np.float32),
        constant("least", [-LEAST_LEVEL], np.float32),
        *(constant(name, values[:, None], np.float32) for name, values in places.items()),
        *(constant(f"{name}_squared", values[:, None] ** 2, np.float32) for name, values in places.items()),
        *(constant(name, value, np.float32) for name, value in scalars.items()),
        constant("squareness", SQUARENESS, np.float32),
        constant("above_others", 1.5 * np.eye(3) - 0.5, np.float32),
        *(constant(name, axes) for name, axes in (("over_x", [3]), ("over_y", [2]), ("over_both", [2, 3]))),
        constant("queries", [1]),
    ]
    nodes = [
        _node("Conv", "pixel_values light least", "brightness"),
        _node("Relu", "brightness", "mass"),
        _node("ReduceSum", "mass over_both", "sum", keepdims=0),
        _node("Add", "sum tiny", "total"),
        *_axis("x", "xs", "over_y"),
        *_axis("y", "ys", "over_x"),
        _node("Mul", "pixel_values mass", "weighted"),
        _node("ReduceSum", "weighted over_both", "weighted_sum", keepdims=0),
        _node("Div", "weighted_sum total", "colour"),
        _node("MatMul", "colour above_others", "purity"),
        _node("Sub", "purity middle", "above"),
        _node("Mul", "above steepness", "steep"),
        _node("Mul", "x_side aspect", "x_side_px"),
        _node("Sub", "x_side_px y_side", "longer"),
        _node("Abs", "longer", "difference_of_sides"),
        _node("Add", "x_side_px y_side", "sum_of_sides"),
        _node("Div", "difference_of_sides sum_of_sides", "oblong"),
        _node("Mul", "oblong squareness", "penalty"),
        _node("Sub", "steep penalty", "score"),
        _node("Unsqueeze", "score queries", "logits"),
        _node("Concat", "x_centre y_centre x_side y_side", "box", axis=1),
        _node("Unsqueeze", "box queries", "pred_boxes"),
    ]
    outputs = [info("logits", ["batch", 1, 3]), info("pred_boxes", ["batch", 1, 4])]
    return model_of(nodes, [info("pixel_values", ["batch", 3, height, width])], outputs, weights)
