"""What exporters leave unsound in an ONNX is put right, with the same answers; what is not sound is named."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import tiny_graphs as graphs
from dsbench.onnx.compare import GraphError, answers, largest_difference, session
from dsbench.onnx.importing import import_onnx
from dsbench.onnx.source_graph import load_checked

SIZE = (graphs.HEIGHT, graphs.WIDTH)
PIXELS = np.random.default_rng(5).random((3, 3, *SIZE), np.float32)


def loaded(model, tmp_path):
    return load_checked(graphs.write(model, tmp_path / "model.onnx"))


def behind_boxes(*nodes, weights=()):
    """Return the tiny detector whose boxes pass through `nodes`, from "raw" to "pred_boxes"."""
    model = graphs.queries()
    model.graph.node[-1].output[0] = "raw"
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(weights)
    return model


def named(image, boxes):
    """Return the tiny detector whose image and boxes have these names."""
    model = behind_boxes(helper.make_node("Identity", ["raw"], [boxes]))
    for node in model.graph.node:
        node.input[:] = [image if name == "pixel_values" else name for name in node.input]
    model.graph.input[0].name = image
    model.graph.output[-1].name = boxes
    return model


@pytest.mark.parametrize("sign", ["'", ",", "=", "*", " ", "\t", '"', "é"])
def test_tensors_that_no_command_line_can_name_are_renamed_once_and_recorded(tmp_path, sign):
    model, notes = loaded(named(f"the{sign}image", f"pred{sign}boxes"), tmp_path)
    assert [model.graph.input[0].name, model.graph.output[-1].name] == ["the_image", "pred_boxes"]
    (note,) = (each for each in notes if "renamed" in each)
    assert "image" in note and " is the_image, " in note and note.endswith(" is pred_boxes")
    original = graphs.write(named("the_image", "pred_boxes"), tmp_path / "plain.onnx")
    want = answers(session(onnx.load(original)), PIXELS[:1])
    assert largest_difference(answers(session(model), PIXELS[:1]), want) == 0
    assert import_onnx(model, PIXELS).model.graph.input[0].name == "the_image"


def test_a_name_that_is_taken_is_not_given_again_and_plain_names_stay(tmp_path):
    model, notes = loaded(named("image:0", "pred_boxes"), tmp_path)
    assert not [note for note in notes if "renamed" in note]
    model, _ = loaded(named("raw boxes", "pred_boxes"), tmp_path)
    assert model.graph.input[0].name == "raw_boxes_1"


def free_dimensions(number=-1):
    model = graphs.queries(size=("height", "width"))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = number
    for dim in model.graph.input[0].type.tensor_type.shape.dim[2:]:
        dim.dim_value = number
    return model


def unsorted():
    model = graphs.queries()
    nodes = list(model.graph.node)[::-1]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def unsorted_around_a_subgraph():
    """A branch reads "raw" from outside, so the If comes after the node that gives it."""
    model = behind_boxes()
    branches = {
        name: helper.make_graph([helper.make_node(op, ["raw"], [name])], name, [], [graphs.info(name, None)])
        for name, op in (("then_branch", "Identity"), ("else_branch", "Neg"))
    }
    model.graph.node.insert(0, helper.make_node("If", ["known"], ["pred_boxes"], **branches))
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "known"))
    return model


def old_ir(opset=9):
    model = graphs.queries(batch=1, baked=1)
    split = next(node for node in model.graph.node if node.op_type == "Split")
    del split.input[1:]
    split.attribute.append(helper.make_attribute("split", [4, 4]))
    model.opset_import[0].version = opset
    model.ir_version = 3
    model.graph.initializer.pop()
    for weight in model.graph.initializer:
        model.graph.input.append(graphs.info(weight.name, weight.dims, weight.data_type))
    return model


def functions(opset=17):
    model = behind_boxes(helper.make_node("Head", ["raw"], ["pred_boxes"], domain="pkg.torch"))
    body = [helper.make_node("Identity", ["x"], ["t"]), helper.make_node("Relu", ["t"], ["y"])]
    model.functions.append(
        helper.make_function("pkg.torch", "Head", ["x"], ["y"], body, [helper.make_opsetid("", opset)])
    )
    model.opset_import.append(helper.make_opsetid("pkg.torch", 1))
    return model


def default_input():
    model = behind_boxes(helper.make_node("Mul", ["raw", "gain"], ["pred_boxes"]))
    model.graph.initializer.append(graphs.constant("gain", [0.5], np.float32))
    model.graph.input.append(graphs.info("gain", [1]))
    return model


def names_twice():
    model = graphs.queries()
    for node in model.graph.node:
        node.name = "node"
    return model


def outputs_twice():
    model = graphs.queries()
    model.graph.output.append(model.graph.output[0])
    return model


def outputs_without_shape():
    model = graphs.queries()
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    return model


UNSOUND = {
    "dims of -1": (free_dimensions, "dimensions of -1 or 0 of pixel_values, logits, pred_boxes are free"),
    "dims of 0": (lambda: free_dimensions(0), "dimensions of -1 or 0"),
    "unsorted": (unsorted, "nodes were not in the order"),
    "unsorted subgraph": (unsorted_around_a_subgraph, "nodes were not in the order"),
    "IR version 3": (old_ir, "2 inputs with a value in the file"),
    "functions": (functions, "1 model-local function put into the graph"),
    "functions of another opset": (lambda: functions(18), "1 model-local function"),
    "input with a default": (default_input, "1 input with a value in the file"),
    "names twice": (names_twice, "nodes with a name that another has"),
    "outputs twice": (outputs_twice, "1 output listed twice"),
    "outputs without shape": (outputs_without_shape, "2 outputs without a shape"),
}


@pytest.mark.parametrize("kind", UNSOUND)
def test_unsound_graph_is_imported_with_its_answers_and_a_note(tmp_path, kind):
    make, note = UNSOUND[kind]
    model, notes = loaded(make(), tmp_path)
    assert any(note in told for told in notes), notes
    imported = import_onnx(model, PIXELS, 4)
    assert imported.dynamic
    # ONNX Runtime takes the others as they came.
    source = session(model if kind in ("names twice", "dims of 0") else make())
    want = [answers(source, picture[None]) for picture in PIXELS]
    got = answers(session(imported.model), PIXELS)
    for name, value in got.items():
        assert largest_difference({name: value}, {name: np.concatenate([one[name] for one in want])}) < 1e-5
    final = imported.model
    assert [value.name for value in final.graph.input] == ["pixel_values"]
    assert sorted(value.name for value in final.graph.output) == ["logits", "pred_boxes"]
    assert final.ir_version >= 4 and not final.functions


def test_sound_graph_has_no_note(tmp_path):
    assert loaded(graphs.queries(), tmp_path)[1] == []


@pytest.mark.parametrize("opset", [6, 8])
def test_opset_older_than_tensorrt_reads_is_converted(tmp_path, opset):
    model, _ = loaded(old_ir(opset), tmp_path)
    imported = import_onnx(model, PIXELS, 4)
    assert imported.model.opset_import[0].version == 13
    assert f"opset {opset} is now 13, since TensorRT reads no older" in imported.notes
    got = answers(session(imported.model), PIXELS)
    want = {name: np.concatenate([one[name] for one in imported.alone]) for name in got}
    assert largest_difference(got, want) < 1e-5


def training(op):
    if op == "Dropout":
        weights = [numpy_helper.from_array(np.array(True), "mode")]
        return behind_boxes(
            helper.make_node("Dropout", ["raw", "", "mode"], ["pred_boxes"], "drop"), weights=weights
        )
    ones = [graphs.constant(name, np.ones(24), np.float32) for name in ("s", "b", "m", "v")]
    names = ["raw", "s", "b", "m", "v"]
    node = helper.make_node(op, names, ["pred_boxes", "mean", "var"], "norm", training_mode=1)
    return behind_boxes(node, weights=ones)


def sequence():
    model = behind_boxes(helper.make_node("Identity", ["raw"], ["pred_boxes"]))
    model.graph.node.append(helper.make_node("SequenceConstruct", ["raw"], ["all"]))
    model.graph.output.append(helper.make_tensor_sequence_value_info("all", TensorProto.FLOAT, None))
    return model


def circle():
    model = graphs.queries()
    model.graph.node[-1].input[0] = "pred_boxes"
    return model


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: training("BatchNormalization"), "its BatchNormalization 'norm' is in training mode"),
        (lambda: training("Dropout"), "its Dropout 'drop' is in training mode"),
        (sequence, "its output all is a sequence, and nvinfer knows tensors alone"),
        (circle, r"follow from each other in a circle \(Sigmoid -> Sigmoid\)"),
    ],
)
def test_what_cannot_be_put_right_is_named(tmp_path, make, says):
    with pytest.raises(GraphError, match=says):
        loaded(make(), tmp_path)


def test_dropout_without_its_mode_is_none(tmp_path):
    model, _ = loaded(behind_boxes(helper.make_node("Dropout", ["raw"], ["pred_boxes"])), tmp_path)
    assert "Dropout" not in [node.op_type for node in import_onnx(model, PIXELS, 4).model.graph.node]


def test_int32_bias_becomes_a_number_that_tensorrt_reads(tmp_path):
    model = graphs.queries()
    model.graph.node[0].input.append("bias")
    bias = helper.make_node("DequantizeLinear", ["bias_int32", "scale"], ["bias"], axis=0)
    model.graph.node.insert(0, bias)
    model.graph.initializer.extend(
        [
            graphs.constant("bias_int32", np.arange(8) * 100, np.int32),
            graphs.constant("scale", np.full(8, 0.01), np.float32),
        ]
    )
    before = answers(session(model), PIXELS)
    changed, notes = loaded(model, tmp_path)
    assert notes == ["1 int32 bias made floating-point, since TensorRT dequantises no int32"]
    assert "DequantizeLinear" not in [node.op_type for node in changed.graph.node]
    assert largest_difference(answers(session(changed), PIXELS), before) < 1e-6
    onnx.checker.check_model(changed, full_check=True)
