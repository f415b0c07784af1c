"""Graphs that never end or never fit, each of which makes a number that a tiny detector adds to its logits."""

import numpy as np
from onnx import TensorProto, helper

import tiny_graphs as graphs
from tiny_graphs import constant


def with_zero(nodes, weights):
    """Return the tiny detector with `zero`, which the nodes make, added to its logits."""
    model = graphs.queries()
    for node in model.graph.node:
        node.output[:] = ["before" if name == "logits" else name for name in node.output]
    model.graph.node.extend([*nodes, helper.make_node("Add", ["before", "zero"], ["logits"])])
    model.graph.initializer.extend(weights)
    return model


def filled(op, *inputs, **weights):
    nodes = [
        helper.make_node(op, inputs, ["huge"]),
        helper.make_node("ReduceMax", ["huge"], ["zero"], keepdims=0),
    ]
    return with_zero(nodes, [constant(name, *values) for name, values in weights.items()])


def loop(*before, **weights):
    info = helper.make_tensor_value_info
    body = helper.make_graph(
        [helper.make_node("Identity", ["go_on"], ["goes_on"]), helper.make_node("Add", ["x", "x"], ["y"])],
        "body",
        [
            info("i", TensorProto.INT64, []),
            info("go_on", TensorProto.BOOL, []),
            info("x", TensorProto.FLOAT, [1]),
        ],
        [info("goes_on", TensorProto.BOOL, []), info("y", TensorProto.FLOAT, [1])],
    )
    node = helper.make_node("Loop", ["turns", "go", "start"], ["zero"], "forever", body=body)
    known = [constant("go", True, np.bool_), constant("start", [0.0], np.float32)]
    return with_zero([*before, node], known + [constant(name, value) for name, value in weights.items()])


def many_filled(count=40):
    parts = [f"part{number}" for number in range(count)]
    nodes = [helper.make_node("ConstantOfShape", ["n"], [part]) for part in parts]
    nodes += [
        helper.make_node("Sum", parts, ["huge"]),
        helper.make_node("ReduceMax", ["huge"], ["zero"], keepdims=0),
    ]
    return with_zero(nodes, [constant("n", [1 << 27])])


def turns_of_the_image():
    shape = helper.make_node("Shape", ["pixel_values"], ["dims"])
    height = helper.make_node("Gather", ["dims", "two"], ["height"])
    return loop(shape, height, helper.make_node("Mul", ["height", "much"], ["turns"]), two=2, much=1 << 50)


def filled_by_the_image():
    nodes = [
        helper.make_node("Shape", ["pixel_values"], ["dims"]),
        helper.make_node("Slice", ["dims", "from", "to"], ["height"]),
        helper.make_node("Mul", ["height", "much"], ["n"]),
        helper.make_node("ConstantOfShape", ["n"], ["huge"]),
        helper.make_node("ReduceMax", ["huge"], ["zero"], keepdims=0),
    ]
    return with_zero(nodes, [constant("from", [2]), constant("to", [3]), constant("much", [1 << 25])])
