"""Graphs that never end or never fit are refused in a sentence, within seconds and little memory, before they run."""

import re

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import tiny_graphs as graphs
from bounded_child import run_child
from tiny_graphs import constant

MOST_S, MOST_MB = 60, 400

IMPORT = """
import sys
from pathlib import Path
import cv2, numpy as np
from dsbench.dag.rule_script import explained
from dsbench.onnx import compare
from dsbench.onnx.model_onnx import ModelFolder, clean_onnx
compare.RUN_S = compare.RUN_S_OF_A_MEGAPIXEL = 1.0
cv2.imwrite("image.png", np.zeros((90, 160, 3), np.uint8))
names = Path("names.txt")
names.write_text("car\\nbus\\nvan\\nbike\\n")
with explained("job.log", 2048):
    folder = ModelFolder.of([sys.argv[1]], labels=names)
    clean_onnx(folder, None, None, Path("image.png"), Path("reference.npz"), Path("job.log"), "sigmoid_queries")
"""


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


def with_metadata(model, **metadata):
    helper.set_model_props(model, metadata)
    return model


FREE = ("height", "width")
HOSTILE = {
    "loop": (
        lambda: loop(turns=1 << 62),
        "its Loop 'forever' has 4611686018427387904 turns, expected at most",
    ),
    "loop of the image": (
        turns_of_the_image,
        "did not end within its bound of processor time and was stopped",
    ),
    "ConstantOfShape": (
        lambda: filled("ConstantOfShape", "n", n=([1 << 31],)),
        "its tensor 'huge' takes 8589934592",
    ),
    "Expand": (
        lambda: filled("Expand", "x", "n", x=([0.0], np.float32), n=([1 << 16, 1 << 15],)),
        "its tensor 'huge' takes 8589934592",
    ),
    "Tile": (
        lambda: filled("Tile", "x", "n", x=([0.0], np.float32), n=([1 << 31],)),
        "its tensor 'huge' takes 8589934592",
    ),
    "Range": (
        lambda: filled("Range", "a", "b", "c", a=(0,), b=(1 << 31,), c=(1,)),
        "its Range '' has 2147483648 turns, expected at most",
    ),
    "many": (many_filled, "all that is filled with one value' takes 21474836480 bytes"),
    "filled by the image": (filled_by_the_image, "needs more memory than its job may have .*ConstantOfShape"),
    "sides": (
        lambda: graphs.queries(size=(20_000, 20_000)),
        "is 20000x20000, expected at most 16384 pixels on a side",
    ),
    "batch": (
        lambda: graphs.queries(batch=100_000, baked=100_000),
        "is a batch of 100000 of 96x64, expected at most",
    ),
    "imgsz": (
        lambda: with_metadata(graphs.queries(size=FREE), imgsz="[60000, 60000]"),
        "its image is 60000x60000",
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_graph_that_never_ends_or_never_fits_is_refused(tmp_path, kind):
    make, says = HOSTILE[kind]
    onnx.save(make(), tmp_path / "hostile.onnx")
    done = run_child(IMPORT, tmp_path / "hostile.onnx", folder=tmp_path)
    assert done.status != 0 and "Traceback" not in done.text
    errors = [line for line in done.text.splitlines() if line.startswith("ERROR ")]
    assert len(errors) == 1, done.text
    assert re.search(says, errors[0]), errors
    assert done.seconds < MOST_S
    assert done.peak_mb < MOST_MB
