"""A detector as unlike the demonstration as one can be, with the demonstration's own network inside.

It is fed letterboxed BGR less a mean, over a std, and answers as Ultralytics' models do, before NMS, with COCO's ids.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 384
# Where a frame of 1280x720 lies in the square, and what the demonstration's network is fed.
PICTURE_TOP, PICTURE_HEIGHT = 84, 216
INNER_SIDE = 320
# So that rounding of a scale loses no row.
HAIR = 0.01
MEAN = (103.53, 116.28, 123.675)
STD = (57.375, 57.12, 58.395)
ENTRY = f"""{{
    color: BGR, scale: 1, mean: {list(MEAN)}, std: {list(STD)}, resize: letterbox, placement: centre, fill: 114
}}"""
CLASSES = 91
IDS = {"car": 3, "person": 1, "bicycle": 2, "stop sign": 13}
# Ids that COCO gives to no object.
GAPS = (0, 12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
NAMES = {number: "N/A" if number in GAPS else f"thing {number}" for number in range(CLASSES)}
NAMES |= {number: name for name, number in IDS.items()}
CELLS = sum((SIDE // stride) ** 2 for stride in (8, 16, 32))


def second_detector(demonstration: onnx.ModelProto) -> onnx.ModelProto:
    """Return the detector around the demonstration's ONNX, its batch dynamic."""
    model = onnx.ModelProto()
    model.CopyFrom(demonstration)
    graph = model.graph
    weights: list[onnx.TensorProto] = []

    def constant(name, values, kind=np.float32):
        weights.append(numpy_helper.from_array(np.asarray(values, kind), name))
        return name

    def channels(values):
        return np.reshape(values, (1, 3, 1, 1))

    limits = {"top": PICTURE_TOP, "bottom": PICTURE_TOP + PICTURE_HEIGHT, "axis_of_rows": 2}
    picture = [constant(name, [value], np.int64) for name, value in limits.items()]
    inner = graph.input[0].name
    queries = graph.output[0].type.tensor_type.shape.dim[1].dim_value
    before = [
        helper.make_node("Mul", ["images", constant("std", channels(STD))], ["deviations"]),
        helper.make_node("Add", ["deviations", constant("mean", channels(MEAN))], ["levels"]),
        helper.make_node("Gather", ["levels", constant("reversed", [2, 1, 0], np.int64)], ["rgb"], axis=1),
        helper.make_node("Mul", ["rgb", constant("unit", 1 / 255)], ["fractions"]),
        helper.make_node("Slice", ["fractions", *picture], ["picture"]),
        helper.make_node(
            "Resize",
            [
                "picture",
                "",
                constant("scales", [1, 1, *((INNER_SIDE + HAIR) / side for side in (PICTURE_HEIGHT, SIDE))]),
            ],
            [inner],
            mode="linear",
        ),
    ]
    columns = np.zeros((4, CLASSES))
    columns[range(4), list(IDS.values())] = 1
    after = [
        helper.make_node(
            "Mul", ["pred_boxes", constant("sides", [SIDE, PICTURE_HEIGHT] * 2)], ["in_picture"]
        ),
        helper.make_node("Add", ["in_picture", constant("origin", [0, PICTURE_TOP, 0, 0])], ["boxes"]),
        helper.make_node("Sigmoid", ["logits"], ["probabilities"]),
        helper.make_node("MatMul", ["probabilities", constant("columns", columns)], ["scores"]),
        helper.make_node("Concat", ["boxes", "scores"], ["best"], axis=2),
        # A second box beside each, of a lower score, as neighbouring cells have it: NMS has to drop them.
        helper.make_node("Add", ["best", constant("shift", [2] * 2 + [0] * (2 + CLASSES))], ["beside"]),
        helper.make_node("Mul", ["beside", constant("lower", [1] * 4 + [0.9] * CLASSES)], ["second"]),
        helper.make_node("Concat", ["best", "second"], ["both"], axis=1),
        helper.make_node(
            "Pad", ["both", constant("empty", [0, 0, 0, 0, CELLS - 2 * queries, 0], np.int64)], ["anchors"]
        ),
        helper.make_node("Transpose", ["anchors"], ["output0"], perm=[0, 2, 1]),
    ]
    nodes = [*before, *graph.node, *after]
    del graph.node[:], graph.input[:], graph.output[:]
    graph.node.extend(nodes)
    graph.initializer.extend(weights)
    graph.input.append(helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE]))
    graph.output.append(
        helper.make_tensor_value_info("output0", TensorProto.FLOAT, ["batch", 4 + CLASSES, CELLS])
    )
    del graph.value_info[:], model.metadata_props[:]
    for key, value in (("author", "Ultralytics"), ("task", "detect"), ("names", str(NAMES))):
        model.metadata_props.add(key=key, value=value)
    return model
