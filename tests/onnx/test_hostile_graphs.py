"""Graphs that never end or never fit are refused in a sentence, within seconds and little memory, before they run."""

import re

import numpy as np
import onnx
import pytest
from onnx import helper

import tiny_graphs as graphs
from bounded_child import run_child
from hostile_graphs import filled, filled_by_the_image, loop, many_filled, turns_of_the_image

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
        "is 20000x20000, expected 1 to 16384 pixels on a side",
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
