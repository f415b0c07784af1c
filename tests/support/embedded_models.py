"""Tiny ONNX models and engines for the tests of the embedded runtime."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from dsembed.engine.builder import FP32, BuildConfig, build_engine_file
from dsembed.engine.engine_file import CHECKSUM_BYTES, PREFIX, write_engine_file
from dsembed.engine.network import parse_network
from dsembed.engine.shapes import ShapeRange
from dsembed.shared.log_writer import LogWriter

SIDE = 16


def write_onnx(path: Path, batch: int | str = "batch", inputs: int = 1, keeps_batch: bool = True) -> Path:
    """Write a convolution with two outputs, "features" [batch, 4, 16, 16] and "peaks" [batch, 4]."""
    weights = np.random.default_rng(1).normal(size=(4, 3, 3, 3)).astype(np.float32)
    images = [
        helper.make_tensor_value_info(f"images{number or ''}", TensorProto.FLOAT, [batch, 3, SIDE, SIDE])
        for number in range(inputs)
    ]
    nodes = [helper.make_node("Conv", ["images", "weights"], ["features"], pads=[1, 1, 1, 1])]
    if inputs > 1:
        nodes.append(helper.make_node("Add", ["images", "images1"], ["sum"]))
        nodes[0].input[0] = "sum"
        nodes.reverse()
    axes = [2, 3] if keeps_batch else [0, 2, 3]
    nodes.append(helper.make_node("ReduceMax", ["features"], ["peaks"], axes=axes, keepdims=0))
    peaks_dims = [batch, 4] if keeps_batch else [4]
    outputs = [
        helper.make_tensor_value_info("features", TensorProto.FLOAT, [batch, 4, SIDE, SIDE]),
        helper.make_tensor_value_info("peaks", TensorProto.FLOAT, peaks_dims),
    ]
    graph = helper.make_graph(nodes, "tiny", images, outputs, [numpy_helper.from_array(weights, "weights")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], producer_name="tests")
    model.ir_version = 8
    onnx.save(model, path)
    return path


def write_engine(
    folder: Path, min_batch: int = 1, opt_batch: int = 4, max_batch: int = 4, precision: str = FP32
) -> Path:
    """Write the engine of the tiny model for the given batches."""
    network = parse_network(write_onnx(folder / "tiny.onnx"))
    shapes = [(batch, 3, SIDE, SIDE) for batch in (min_batch, opt_batch, max_batch)]
    config = BuildConfig(ShapeRange(*shapes), precision, workspace_bytes=None, timing_cache=None)
    path = folder / "tiny.engine"
    write_engine_file(path, build_engine_file(network, config, LogWriter("test", "test")))
    return path


def rewritten(path: Path, target: Path, change: Callable[[dict], None]) -> Path:
    """Copy the engine with its header changed and its checksum made right again."""
    content = path.read_bytes()
    magic, version, header_bytes, xml_bytes, weights_bytes = PREFIX.unpack(content[: PREFIX.size])
    header = json.loads(content[PREFIX.size : PREFIX.size + header_bytes])
    change(header)
    text = json.dumps(header).encode()
    body = PREFIX.pack(magic, version, len(text), xml_bytes, weights_bytes) + text
    body += content[PREFIX.size + header_bytes : -CHECKSUM_BYTES]
    target.write_bytes(body + hashlib.sha256(body).digest())
    return target
