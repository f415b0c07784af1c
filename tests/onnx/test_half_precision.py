import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import tiny_graphs
from dsbench.boxes.detection_scores import Decoder
from dsbench.core.records import read_record, write_record
from dsbench.families.declared import family_named
from dsbench.onnx.compare import GraphError, answers, session
from dsbench.onnx.half_precision import compare, half_precision, half_share, to_half
from dsbench.onnx.inspection import HalfPrecision

SIZE = (tiny_graphs.HEIGHT, tiny_graphs.WIDTH)
PIXELS = (
    np.random.default_rng(5).uniform(0, 1, (3, 3, tiny_graphs.HEIGHT, tiny_graphs.WIDTH)).astype(np.float32)
)
DECODER = Decoder(
    family_named("rt_detr"),
    {"boxes": "pred_boxes", "logits": "logits"},
    {"first_class": 0, "top_k": 24},
    4,
    0.5,
)


def through(*nodes, **weights):
    """Return the tiny detector whose logits pass through `nodes`, from "raw" to "logits"."""
    model = tiny_graphs.queries()
    split = next(node for node in model.graph.node if node.op_type == "Split")
    split.output[0] = "raw"
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(
        tiny_graphs.constant(name, value, np.float32) for name, value in weights.items()
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def squared_and_back(op):
    """Squares above 65504 and their roots: beyond float16 between the two nodes only."""
    squares = [helper.make_node("Pow", ["big", "two"], ["square"])]
    if op == "Mul":
        squares = [helper.make_node("Mul", ["big", "big"], ["square"])]
    return through(
        helper.make_node("Mul", ["raw", "factor"], ["big"]),
        *squares,
        helper.make_node("Sqrt", ["square"], ["size"]),
        helper.make_node("Div", ["size", "factor"], ["logits"]),
        factor=3000.0,
        two=2.0,
    )


def test_weights_are_half_and_inputs_and_outputs_float32():
    half = half_precision(tiny_graphs.queries(), "least")
    assert half_share(half) == 1.0 and half_share(tiny_graphs.queries()) == 0.0
    kinds = {tensor.type.tensor_type.elem_type for tensor in (*half.graph.input, *half.graph.output)}
    assert kinds == {TensorProto.FLOAT}
    assert answers(session(half), PIXELS[:2])["logits"].shape == (2, 24, 4)


def test_detections_tell_that_half_precision_finds_the_same():
    half, measured = to_half(tiny_graphs.queries(), PIXELS, DECODER, SIZE)
    assert measured.kept_in_float32 == "least" and measured.refused == []
    assert measured.told_by == "detections" and measured.likeness > 0.99
    assert measured.detections.fp32 == measured.detections.fp16 > 0
    assert measured.images == 3 and measured.half_share == half_share(half)


def test_where_sums_overflow_they_stay_in_float32_and_the_record_says_so(tmp_path):
    half, measured = to_half(squared_and_back("Pow"), PIXELS, DECODER, SIZE)
    assert measured.kept_in_float32 == "normalisations"
    assert [attempt.kept_in_float32 for attempt in measured.refused] == ["least"]
    write_record(tmp_path / "fp16.json", measured)
    assert read_record(tmp_path / "fp16.json", HalfPrecision) == measured
    assert not any(node.op_type == "Cast" and "square" in node.input[0] for node in half.graph.node), (
        "between two operators in float32 nothing is cast"
    )


def test_model_that_half_precision_breaks_is_refused_with_what_to_do():
    with pytest.raises(
        GraphError,
        match=r"too far from float32: its detections are like float32's to .*; set precision: fp32",
    ):
        to_half(squared_and_back("Mul"), PIXELS, DECODER, SIZE)


def test_without_detections_the_tensors_tell():
    quiet = {
        "logits": np.full((1, 24, 4), -20, np.float32),
        "pred_boxes": np.full((1, 24, 4), 0.5, np.float32),
    }
    same = compare("least", quiet, {name: value * 1.001 for name, value in quiet.items()}, DECODER, SIZE)
    assert (same.told_by, same.accepted) == ("tensors", True)
    other = compare("least", quiet, quiet | {"pred_boxes": quiet["pred_boxes"] * np.nan}, DECODER, SIZE)
    assert (other.accepted, other.max_difference) == (False, None)
