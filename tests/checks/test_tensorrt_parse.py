"""What is made of the verdict of TensorRT's parser; the parser itself is asked where its environment was made."""

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import tiny_graphs
from dsbench.checks.tensorrt_parse import parse_with_tensorrt
from dsbench.core.errors import BuildError
from dsbench.families.family import PixelRule
from dsbench.onnx.half_precision import half_precision
from dsbench.onnx.in_graph import with_resize
from dsbench.pixels.graph_resize import family_matrices, processor_matrices
from dsbench.pixels.preprocessing import derive_preprocessing
from dsbench.trtexec.command import Profile

PROJECT = Path(__file__).parents[2]
FAKE = PROJECT / "tests/fakes/tensorrt_rtx"
REAL = PROJECT / "build/.venv_tensorrt_parse/bin/python"
PROFILE = Profile("images", (3, 8, 8), 4)


def write(path, nodes, output, constants=()):
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, 8, 8])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, output)
    graph = helper.make_graph(nodes, "g", [images], [out], list(constants))
    domains = [helper.make_opsetid("", 17), helper.make_opsetid("mmdeploy", 1)]
    onnx.save(helper.make_model(graph, opset_imports=domains, ir_version=8), path)
    return path


def plain(path):
    return write(path, [helper.make_node("Relu", ["images"], ["out"], name="/relu")], ["batch", 3, 8, 8])


def unknown_operator(path):
    nodes = [
        helper.make_node("Relu", ["images"], ["a"], name="/relu"),
        helper.make_node("DeformAttn", ["a"], ["out"], name="/head/attn", domain="mmdeploy"),
    ]
    return write(path, nodes, ["batch", 3, 8, 8])


def baked_batch(path):
    nodes = [helper.make_node("Reshape", ["images", "shape"], ["out"], name="/reshape")]
    return write(path, nodes, [2, 192], [numpy_helper.from_array(np.array([2, 192], np.int64), "shape")])


@pytest.fixture(params=["fake", "real"])
def parser(request, monkeypatch):
    if request.param == "fake":
        monkeypatch.setenv("PYTHONPATH", str(FAKE))
        return Path(sys.executable)
    if not REAL.is_file():
        pytest.skip("build/.venv_tensorrt_parse was not made")
    return REAL


def test_graph_that_is_accepted_is_built_with_the_profile(parser, tmp_path):
    found = parse_with_tensorrt(parser, plain(tmp_path / "m.onnx"), PROFILE, tmp_path / "x.log").numbers
    assert (found.accepted, found.builds, found.refused) == (True, True, [])
    assert found.parser == "tensorrt-rtx 1.7.1.116"
    assert found.profile == [[1, 3, 8, 8], [4, 3, 8, 8], [4, 3, 8, 8]]
    assert found.verdict == "TensorRT's parser accepts the graph, and its builder the profile"


@pytest.mark.parametrize("is_half", [False, True], ids=["fp32", "fp16"])
def test_resize_in_the_graph_is_accepted(parser, tmp_path, is_half):
    """A cubic kernel and a letterbox, which have every operator that a resize in the graph may need."""
    size, frame = (tiny_graphs.HEIGHT, tiny_graphs.WIDTH), (90, 160)
    preprocessing = derive_preprocessing(None, None, PixelRule(padding="centre", fill=114.0), graph_size=size)
    letterbox = family_matrices(PixelRule(padding="centre", fill=114.0), size, frame)
    cubic = {"image_processor_type": "DetrImageProcessor", "resample": 3}
    for name, matrices in (("letterbox", letterbox), ("cubic", processor_matrices(cubic, size, frame))):
        model, _ = with_resize(tiny_graphs.queries(), matrices, preprocessing)
        onnx.save(half_precision(model, "least") if is_half else model, tmp_path / f"{name}.onnx")
        profile = Profile(model.graph.input[0].name, (3, *frame), 4)
        verdict = parse_with_tensorrt(parser, tmp_path / f"{name}.onnx", profile, tmp_path / "x.log")
        assert verdict.passed and verdict.numbers.builds, verdict.reason


def test_operator_that_is_refused_is_named(parser, tmp_path):
    found = parse_with_tensorrt(
        parser, unknown_operator(tmp_path / "m.onnx"), PROFILE, tmp_path / "x.log"
    ).numbers
    assert (found.accepted, found.builds) == (False, None)
    assert [(each.node, each.operator) for each in found.refused] == [("/head/attn", "DeformAttn")]
    assert "TensorRT's parser refuses DeformAttn (/head/attn): " in found.verdict
    assert "/head/attn" in (tmp_path / "x.log").read_text()


def test_batch_that_is_baked_into_the_graph_is_found(parser, tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_TENSORRT", "no-build")
    found = parse_with_tensorrt(parser, baked_batch(tmp_path / "m.onnx"), PROFILE, tmp_path / "x.log").numbers
    assert (found.accepted, found.builds) == (True, False)
    assert "its builder does not: " in found.verdict
    assert "violate shape constraints" in found.verdict and "/reshape" in found.verdict


def test_static_graph_has_no_profile(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", str(FAKE))
    static = Profile("images", (3, 8, 8), 4, static=True)
    found = parse_with_tensorrt(
        Path(sys.executable), plain(tmp_path / "m.onnx"), static, tmp_path / "x.log"
    ).numbers
    assert (found.profile, found.warnings) == (None, [])


def test_parser_that_ends_without_a_verdict_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", str(FAKE))
    monkeypatch.setenv("FAKE_TENSORRT", "crash")
    with pytest.raises(BuildError, match=r"x\.log: TensorRT's parser ended with status -6 and no verdict on"):
        parse_with_tensorrt(Path(sys.executable), plain(tmp_path / "m.onnx"), PROFILE, tmp_path / "x.log")
    with pytest.raises(BuildError, match="gave no verdict"):
        parse_with_tensorrt(tmp_path / "nothing", plain(tmp_path / "m.onnx"), PROFILE, tmp_path / "x.log")
