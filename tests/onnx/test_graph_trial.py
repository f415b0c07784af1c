"""A net for something else is told by its outputs before a size or channels are asked for; a detector is not."""

import numpy as np
import pytest
from onnx import TensorProto, helper

import tiny_graphs as graphs
from dsbench.core.errors import BuildError
from dsbench.families.decision_table import UnknownGraphError
from dsbench.onnx.model_onnx import ModelFolder, clean_onnx
from dsbench.onnx.trial import refuse_before_size


def net(nodes, output, weights=(), image=("n", 3, "h", "w"), stride=8, channels=6, kind=TensorProto.FLOAT):
    """Return image -> Conv of this stride -> `map` [n, channels, h, w] -> `nodes` -> out with the dims `output`."""
    depth = image[1] if isinstance(image[1], int) else 3
    kernel = np.random.default_rng(0).normal(size=(channels, depth, stride, stride)) / stride
    conv = helper.make_node("Conv", ["x", "kernel"], ["map"], strides=[stride, stride])
    return graphs.model_of(
        [conv, *nodes],
        [graphs.info("x", list(image))],
        [graphs.info("out", list(output), kind)],
        [graphs.constant("kernel", kernel, np.float32), *weights],
    )


def same(source="map"):
    return [helper.make_node("Sigmoid", [source], ["out"])]


def lines(last="Softmax", perm=(0, 2, 1)):
    """Return the nodes of a reader of lines: the height is averaged away, a row is left for each column."""
    return [
        helper.make_node("ReduceMean", ["map"], ["line"], axes=[2], keepdims=0),
        helper.make_node("Transpose", ["line"], ["steps"], perm=list(perm)),
        helper.make_node(last, ["steps"], ["out"], **({"axis": 2} if last == "Softmax" else {})),
    ]


TABLE = [
    helper.make_node("Reshape", ["map", "flat"], ["cells"]),
    helper.make_node("Sigmoid", ["cells"], ["out"]),
]
FLAT = graphs.constant("flat", [0, 6, -1])
GREY = ("n", 1, "h", "w")
OTHERS = {
    "text map": (net(same(), ["n", 1, "h", "w"], stride=1, channels=1), "number for each pixel"),
    "segmentation": (net(same(), ["n", 21, "oh", "ow"], stride=4, channels=21), "number for each pixel"),
    "class ids": (
        net(
            [
                helper.make_node("ArgMax", ["map"], ["ids"], axis=1, keepdims=0),
                helper.make_node("Cast", ["ids"], ["out"], to=TensorProto.FLOAT),
            ],
            ["n", "h", "w"],
            stride=1,
        ),
        "number for each pixel",
    ),
    "segmentation of one size": (
        net(same(), ["n", 21, 16, 16], image=("n", 3, 64, 64), stride=4, channels=21),
        "number for each pixel",
    ),
    "channels last": (
        graphs.model_of(
            [helper.make_node("Sigmoid", ["x"], ["out"])],
            [graphs.info("x", ["n", "h", "w", 3])],
            [graphs.info("out", ["n", "h", "w", 3])],
            [],
        ),
        "number for each pixel",
    ),
    "reader": (net(lines(), ["n", "t", 40], channels=40), "rows that each sum to 1"),
    "reader with logits": (net(lines("Identity"), ["n", "t", 40], channels=40), "image's width alone"),
    "reader of steps first": (
        net(lines("Identity", (2, 0, 1)), ["t", "n", 40], channels=40),
        "image's width alone",
    ),
    "grey reader": (net(lines(), ["n", "t", 40], image=GREY, channels=40), "rows that each sum to 1"),
    "reader of one height": (
        net(lines("Identity"), ["n", "t", 40], image=("n", 1, 32, "w"), channels=40),
        "an image of one low height and any width",
    ),
    "classifier": (
        net([helper.make_node("ReduceMean", ["map"], ["out"], axes=[2, 3], keepdims=0)], ["n", 6]),
        "classifier",
    ),
}


@pytest.mark.parametrize(("model", "says"), OTHERS.values(), ids=OTHERS)
def test_a_net_for_something_else_is_told_by_its_outputs(model, says, tmp_path):
    with pytest.raises(UnknownGraphError, match=f"is no object detector: .*{says}"):
        refuse_before_size(model)
    graphs.write(model, tmp_path / "model.onnx")
    with pytest.raises(BuildError, match=r"model\.onnx: the ONNX \(.*\) is no object detector: ") as error:
        clean_onnx(
            ModelFolder(tmp_path), None, None, tmp_path / "no.png", tmp_path / "r.npz", tmp_path / "log"
        )
    assert "preprocessor_config.json" not in str(error.value) and "channels" not in str(error.value)


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (
            graphs.queries(size=("h", "w")),
            "neither its ONNX nor a preprocessor_config.json fixes height and width",
        ),
        (net(TABLE, ["n", 6, "cells"], [FLAT]), "neither its ONNX nor a preprocessor_config.json"),
        (net(TABLE, ["n", 6, "cells"], [FLAT], image=GREY), "expected 3 channels"),
        (net(same(), ["n", 6, "oh", "ow"], stride=32), "neither its ONNX nor a preprocessor_config.json"),
    ],
    ids=["queries", "cells", "grey cells", "coarse grid"],
)
def test_what_may_be_a_detector_is_asked_for_size_or_channels(model, says, tmp_path):
    refuse_before_size(model)
    graphs.write(model, tmp_path / "model.onnx")
    with pytest.raises(BuildError, match=says):
        clean_onnx(
            ModelFolder(tmp_path), None, None, tmp_path / "no.png", tmp_path / "r.npz", tmp_path / "log"
        )


@pytest.mark.parametrize("columns", [6, 7])
def test_rows_of_all_images_are_no_classifier(columns):
    perm, flat = graphs.constant("rows", [-1, columns]), helper.make_node("Reshape", ["map", "rows"], ["out"])
    model = net([flat], ["rows", columns], [perm], image=("n", 3, 64, 64), stride=16, channels=columns)
    refuse_before_size(model)


def test_a_detector_of_a_fixed_size_is_not_run_for_it(monkeypatch):
    monkeypatch.setattr("dsbench.onnx.trial.session", lambda model: pytest.fail("it was run"))
    refuse_before_size(graphs.queries())
