import json

import pytest

from dsbench.trtexec.build_log import check_layers, read_layers
from dsbench.trtexec.command import Precision
from dsbench.trtexec.log import TrtexecLogError


def layers_of(tmp_path, rows):
    file = tmp_path / "layers.json"
    file.write_text(rows if isinstance(rows, str) else json.dumps({"Layers": rows, "Bindings": ["x"]}))
    return read_layers(file)


def row(name, *kinds):
    return {"Name": name, "LayerType": "gemm", "Outputs": [{"Name": k, "Format/Datatype": k} for k in kinds]}


def test_precision_of_a_layer_is_that_of_its_outputs_in_either_wording(tmp_path):
    found = layers_of(
        tmp_path,
        [
            row("a", "Half"),
            row("b", "Channel major FP16 format where channel % 8 == 0"),
            row("c", "Row major linear FP32"),
            row("d", "Float", "Int64"),
            row("e", "BFloat16"),
            row("f"),
        ],
    )
    assert found == {"a": "fp16", "b": "fp16", "c": "fp32", "d": "fp32+int64", "e": "bf16", "f": "unsaid"}


UNKNOWN = "N/A due to dynamic shapes"


@pytest.mark.parametrize(
    "rows", [["conv1", "conv2"], [], '{"Layers": [nan,', [row("a", UNKNOWN), row("b", UNKNOWN, UNKNOWN)]]
)
def test_file_that_only_names_layers_or_is_broken_tells_nothing(tmp_path, rows):
    assert layers_of(tmp_path, rows) is None
    assert read_layers(tmp_path / "none.json") is None


def test_half_precision_engine_without_a_half_layer_is_refused():
    check_layers({"a": "fp16", "b": "fp32"}, Precision("fp16"), "x.log")
    check_layers({"a": "fp32"}, Precision("fp32"), "x.log")
    check_layers(None, Precision("fp16"), "x.log")
    check_layers({"a": "fp32", "b": "unsaid"}, Precision("fp16"), "x.log")
    with pytest.raises(TrtexecLogError, match="asked for in fp16, but none of its 1 layers is"):
        check_layers({"a": "fp32"}, Precision("fp16"), "x.log")


def test_float32_engine_with_half_precision_layers_is_refused():
    layers = {"a": "fp16", "b": "fp32", "c": "bf16+int64"}
    with pytest.raises(
        TrtexecLogError, match="asked for in fp32, but 2 of its 3 layers are in half precision"
    ):
        check_layers(layers, Precision("fp32", strongly_typed=True), "x.log")
