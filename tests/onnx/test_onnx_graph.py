import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from dsbench.onnx.compare import GraphError, compare_with_reference
from dsbench.onnx.graph import fix_spatial_dims
from dsbench.onnx.inspection import TensorFacts
from dsbench.onnx.prepare import graph_summary


def model(leak=False):
    """A tiny detector with open sizes: one row of channel means per image; `leak` mixes the images of a batch."""
    pixels = helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["n", 3, "h", "w"])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", "q", "c"])
    nodes = [
        helper.make_node("ReduceMean", ["pixel_values"], ["means"], axes=[2, 3], keepdims=0),
        helper.make_node("Unsqueeze", ["means", "one"], ["rows"]),
    ]
    if leak:
        nodes.append(helper.make_node("ReduceMean", ["rows"], ["mixed"], axes=[0], keepdims=1))
        nodes.append(helper.make_node("Sub", ["rows", "mixed"], ["logits"]))
    else:
        nodes.append(helper.make_node("Identity", ["rows"], ["logits"]))
    one = helper.make_tensor("one", TensorProto.INT64, [1], [1])
    graph = helper.make_graph(nodes, "g", [pixels], [logits], [one])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def reference(tmp_path, answer):
    pixels = np.random.default_rng(0).random((3, 3, 8, 8), np.float32)
    arrays = {"pixels": pixels}
    for batch in (1, 3):
        arrays[f"b{batch}/logits"] = answer(pixels[:batch])
    np.savez(tmp_path / "reference.npz", **arrays)
    return tmp_path / "reference.npz"


def means(pixels):
    return pixels.mean(axis=(2, 3))[:, None]


def test_only_the_batch_stays_open():
    facts = graph_summary(fix_spatial_dims(model(), 8, 8))
    assert facts.input == TensorFacts("pixel_values", ["batch", 3, 8, 8], "float32")
    assert facts.outputs[0].shape == ["batch", 1, 3]
    assert facts.opset == 17


def test_equal_answers_pass_with_their_difference(tmp_path):
    errors = compare_with_reference(fix_spatial_dims(model(), 8, 8), reference(tmp_path, means))
    assert set(errors) == {"batch_1", "batch_3"}
    assert max(errors.values()) < 1e-6


def test_wrong_numbers_are_refused(tmp_path):
    with pytest.raises(GraphError, match=r"differs from its source by .* at batch 1"):
        compare_with_reference(
            fix_spatial_dims(model(), 8, 8), reference(tmp_path, lambda p: means(p) + 0.01)
        )


def test_a_batch_slot_that_sees_its_neighbours_is_refused(tmp_path):
    def alone(pixels):
        return np.zeros((len(pixels), 1, 3), np.float32)

    with pytest.raises(GraphError, match="at batch 3"):
        compare_with_reference(fix_spatial_dims(model(leak=True), 8, 8), reference(tmp_path, alone))


def test_a_second_input_is_refused():
    two = model()
    two.graph.input.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["n", 3]))
    two.graph.node.append(helper.make_node("Identity", ["mask"], ["m"]))
    two.graph.output.append(helper.make_tensor_value_info("m", TensorProto.FLOAT, ["n", 3]))
    onnx.checker.check_model(two)
    with pytest.raises(GraphError, match="expected one image"):
        fix_spatial_dims(two, 8, 8)
