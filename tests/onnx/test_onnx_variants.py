"""Which ONNX file of a source is taken, and which operators rule one out."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import tiny_graphs as graphs
from dsbench.intake.file_choice import different_models
from dsbench.onnx.variants import VariantError, choose_variant, refusal, variant_of


@pytest.mark.parametrize(
    ("name", "variant"),
    [
        ("model.onnx", "fp32"),
        ("model_fp16.onnx", "fp16"),
        ("detector-FP16.onnx", "fp16"),
        ("model_fp32.onnx", "fp32"),
        ("model_int8.onnx", "int8"),
        ("model_uint8.onnx", "int8"),
        ("model_q4.onnx", "int4"),
        ("model_q4f16.onnx", "int4"),
        ("model_bnb4.onnx", "int4"),
        ("model_int4.onnx", "int4"),
        ("model_quantized.onnx", "quantized"),
        ("yolov8n.onnx", "other"),
    ],
)
def test_variant_is_read_from_the_name(name, variant):
    assert variant_of(Path(name)) == variant


@pytest.mark.parametrize(
    ("names", "choice"),
    [
        (["model.onnx", "model_fp16.onnx", "model_int8.onnx"], "model_fp16.onnx"),
        (["model_quantized.onnx", "model.onnx"], "model.onnx"),
        (["a_int4.onnx", "a_int8.onnx", "a_quantized.onnx"], "a_int8.onnx"),
        (["a_int4.onnx", "a_quantized.onnx"], "a_int4.onnx"),
        (["a.onnx", "a-sim.onnx"], "a-sim.onnx"),
        (["a.onnx", "a_quantized.onnx"], "a_quantized.onnx"),
        (["yolov8n.onnx", "yolov8n_fp16.onnx", "yolov8n-int8-qdq.onnx"], "yolov8n_fp16.onnx"),
        (["model.onnx", "fp16.onnx"], "fp16.onnx"),
        (["encoder_fp16.onnx", "rtdetr.onnx"], "rtdetr.onnx"),
        (["onnx/model.onnx", "onnx/model_fp16.onnx"], "onnx/model_fp16.onnx"),
    ],
)
def test_order_is_fp16_fp32_int8_int4_quantized_then_by_name(tmp_path, names, choice):
    for name in names:
        graphs.write(graphs.queries(), tmp_path / name)
    file, facts = choose_variant(tmp_path)
    assert file == tmp_path / choice
    assert facts.choice == choice
    assert {candidate.file for candidate in facts.candidates} == set(names)
    assert [c.file for c in facts.candidates if not c.refused] == [choice]


def test_a_variant_that_tensorrt_cannot_parse_is_passed_over_with_its_operator(tmp_path):
    graphs.write(graphs.with_op("DynamicQuantizeLinear"), tmp_path / "model_fp16.onnx")
    graphs.write(graphs.queries(), tmp_path / "model.onnx")
    file, facts = choose_variant(tmp_path)
    assert file.name == "model.onnx"
    assert facts.candidates[0].refused == "TensorRT has no DynamicQuantizeLinear"


@pytest.mark.parametrize(
    ("op", "domain", "named"),
    [
        ("DynamicQuantizeLinear", "", "DynamicQuantizeLinear"),
        ("MatMulInteger", "", "MatMulInteger"),
        ("MatMulNBits", "com.microsoft", "com.microsoft.MatMulNBits"),
    ],
)
def test_the_only_file_is_refused_with_the_operators_name(tmp_path, op, domain, named):
    graphs.write(graphs.with_op(op, domain), tmp_path / "model_quantized.onnx")
    with pytest.raises(VariantError, match=f"model_quantized.onnx: TensorRT has no {named}"):
        choose_variant(tmp_path)


@pytest.mark.parametrize(
    ("names", "first"),
    [
        (["b.onnx", "a.onnx"], "a.onnx"),
        (["yolov8n.onnx", "yolov8s_fp16.onnx"], "yolov8s_fp16.onnx"),
        (["model_640.onnx", "model_320.onnx"], "model_320.onnx"),
        (["onnx/model.onnx", "rtdetr.onnx"], "onnx/model.onnx"),
    ],
)
def test_of_two_different_models_none_is_taken(tmp_path, names, first):
    for name in names:
        graphs.write(graphs.queries(), tmp_path / name)
    with pytest.raises(VariantError, match="holds 2 different models") as error:
        choose_variant(tmp_path)
    assert all(name in str(error.value) for name in names)
    assert str(error.value).endswith(f"source: {tmp_path / first}")
    assert choose_variant(tmp_path, (first,))[0] == tmp_path / first


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("onnx/model_q4f16.onnx", "model.onnx"),
        ("yolo_FP16.onnx", "yolo.onnx"),
        ("d.w8a8.onnx", "d_O4.onnx"),
        ("detr-bf16.onnx", "detr_float32.onnx"),
        ("fp16/detr.onnx", "fp32/detr.onnx"),
    ],
)
def test_forms_of_one_model_are_told_by_name(name, same):
    assert different_models([name, same]) == [name]
    assert different_models([name, "other.onnx"]) == [name, "other.onnx"]


def test_parts_of_a_model_without_an_image_are_passed_over(tmp_path):
    decoder = graphs.model_of([], [graphs.info("hidden", [1, 8])], [graphs.info("hidden", [1, 8])], [])
    graphs.write(decoder, tmp_path / "decoder_fp16.onnx")
    graphs.write(graphs.queries(), tmp_path / "vision.onnx")
    assert choose_variant(tmp_path)[0].name == "vision.onnx"


@pytest.mark.parametrize("content", [b"", b"\x08", b"not an onnx", b"<html>"])
def test_a_file_that_is_no_onnx_is_refused(tmp_path, content):
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(VariantError, match=r"model\.onnx: not a readable ONNX"):
        choose_variant(tmp_path)


def test_symmetric_quantisation_to_int8_is_parsed(tmp_path):
    assert refusal(graphs.write(graphs.quantised(), tmp_path / "model_int8.onnx")) == ""


@pytest.mark.parametrize(
    ("how", "says"),
    [
        (
            {"kind": np.uint8, "zero_point": 128},
            "its QuantizeLinear 'quantise' is of uint8, and TensorRT reads symm",
        ),
        ({"kind": np.uint8}, "its QuantizeLinear 'quantise' is of uint8"),
        ({"zero_point": 3}, "its QuantizeLinear 'quantise' has a zero point other than 0"),
        ({"weights": np.uint8}, "its DequantizeLinear 'kernel' is of uint8"),
    ],
)
@pytest.mark.parametrize("is_external", [False, True])
def test_asymmetric_quantisation_is_refused_with_the_way_out(tmp_path, how, says, is_external):
    # TensorRT's parser refuses zero points, and clips what goes beyond int8.
    onnx.save(
        graphs.quantised(**how),
        tmp_path / "model.onnx",
        save_as_external_data=is_external,
        location="model.data",
        size_threshold=0,
    )
    told = refusal(tmp_path / "model.onnx")
    assert says in told
    assert "quantise again with QInt8 and symmetric" in told


def test_quantiser_without_a_zero_point_is_of_uint8_unless_it_says_otherwise(tmp_path):
    model = graphs.quantised()
    for node in model.graph.node[:2]:
        del node.input[2]
    assert "is of uint8" in refusal(graphs.write(model, tmp_path / "model.onnx"))
    model.opset_import[0].version = 21
    model.ir_version = 10
    model.graph.node[0].attribute.append(helper.make_attribute("output_dtype", TensorProto.INT8))
    assert refusal(graphs.write(model, tmp_path / "model.onnx")) == ""


def test_operators_inside_model_local_functions_are_looked_at(tmp_path):
    model = graphs.queries()
    model.graph.node[-1].CopyFrom(helper.make_node("Head", ["raw_boxes"], ["pred_boxes"], domain="pkg.torch"))
    model.opset_import.append(helper.make_opsetid("pkg.torch", 1))
    for op, told in (("Sigmoid", ""), ("ConvInteger", "TensorRT has no ConvInteger")):
        del model.functions[:]
        body = [helper.make_node(op, ["x"], ["y"])]
        model.functions.append(
            helper.make_function("pkg.torch", "Head", ["x"], ["y"], body, [helper.make_opsetid("", 17)])
        )
        assert refusal(graphs.write(model, tmp_path / "model.onnx")) == told
