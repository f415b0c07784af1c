"""Ready-made ONNX files: interface, size, batch and std, each proven in ONNX Runtime."""

import numpy as np
import onnx
import pytest

import tiny_graphs as graphs
from dsbench.onnx_batch import BatchError, check_slots, declared_batch, single_answers, unroll_batch
from dsbench.onnx_compare import GraphError, answers, largest_difference, session
from dsbench.onnx_graph import fix_spatial_dims
from dsbench.onnx_import import graph_size, import_onnx, write_import_reference
from dsbench.onnx_static import static_onnx
from dsbench.onnx_std import fold_std

SIZE = (graphs.HEIGHT, graphs.WIDTH)


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(5).random((3, 3, *SIZE), np.float32)


def image_shape(model):
    return [dim.dim_param or dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]


def output_types(model):
    return {value.name: value.type.tensor_type.elem_type for value in model.graph.output}


def agree(model, imported, pixels):
    got = answers(session(model), pixels)
    want = {name: np.concatenate([one[name] for one in imported.alone]) for name in got}
    return largest_difference(got, want)


def test_symbolic_height_and_width_are_fixed_and_the_batch_stays(pixels):
    imported = import_onnx(graphs.queries(size=("height", "width")), pixels, 4)
    assert image_shape(imported.model) == ["batch", 3, *SIZE]
    assert imported.dynamic
    assert agree(imported.model, imported, pixels) < 1e-4


def test_float16_gets_casts_and_keeps_its_answers(pixels):
    imported = import_onnx(graphs.queries(kind=np.float16), pixels, 4)
    assert imported.model.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    assert set(output_types(imported.model).values()) == {onnx.TensorProto.FLOAT}
    assert set(output_types(imported.model)) == {"logits", "pred_boxes"}
    assert any("float16" in note and "input" in note for note in imported.notes)
    assert agree(imported.model, imported, pixels) < 2e-2


def test_pixel_mask_becomes_ones_for_every_image(pixels):
    imported = import_onnx(graphs.queries(mask=True), pixels, 4)
    assert [value.name for value in imported.model.graph.input] == ["pixel_values"]
    assert agree(imported.model, imported, pixels) < 1e-4


def test_original_target_sizes_are_the_networks_and_labels_become_floats(pixels):
    imported = import_onnx(graphs.original_rt_detr(), pixels, 4)
    assert [value.name for value in imported.model.graph.input] == ["pixel_values"]
    assert output_types(imported.model)["labels"] == onnx.TensorProto.FLOAT
    boxes = answers(session(imported.model), pixels)["boxes"]
    assert graphs.HEIGHT / 2 < boxes[..., 1].max() <= graphs.HEIGHT
    assert graphs.WIDTH / 2 < boxes[..., 0].max() <= graphs.WIDTH


def test_another_input_is_refused_by_name(pixels):
    model = graphs.queries(mask=True)
    for node in model.graph.node:
        node.input[:] = ["prompt" if name == "pixel_mask" else name for name in node.input]
    model.graph.input[1].name = "prompt"
    with pytest.raises(GraphError, match="nvinfer feeds only the image, and prompt"):
        import_onnx(model, pixels, 4)


@pytest.mark.parametrize("make", [lambda: graphs.queries(batch=1, baked=1), graphs.areas])
def test_baked_batch_becomes_dynamic_where_that_is_proven(pixels, make):
    imported = import_onnx(make(), pixels, 4)
    assert imported.dynamic
    assert image_shape(imported.model)[0] == "batch"
    assert agree(imported.model, imported, pixels) < 1e-4


@pytest.mark.parametrize("batch", [2, 4])
def test_a_larger_baked_batch_becomes_dynamic_too(pixels, batch):
    imported = import_onnx(graphs.queries(batch=batch, baked=batch), pixels, 4)
    assert imported.dynamic
    assert agree(imported.model, imported, pixels) < 1e-4


def test_a_batch_that_cannot_be_dynamic_is_unrolled_for_each_size(pixels, tmp_path):
    imported = import_onnx(graphs.batch_in_axis_1(), pixels, 4)
    assert not imported.dynamic
    assert image_shape(imported.model)[0] == 1
    write_import_reference(imported, pixels, tmp_path / "reference.npz")
    static = static_onnx(imported.model, 3, tmp_path / "reference.npz")
    assert image_shape(static)[0] == 3
    assert agree(static, imported, pixels) < 1e-5
    assert len(static.graph.initializer) <= len(imported.model.graph.initializer) + 2


def test_dynamic_batch_is_baked_as_asked(pixels, tmp_path):
    imported = import_onnx(graphs.queries(), pixels, 4)
    write_import_reference(imported, pixels, tmp_path / "reference.npz")
    assert declared_batch(static_onnx(imported.model, 5, tmp_path / "reference.npz")) == 5


def test_only_a_batch_of_one_is_unrolled():
    with pytest.raises(BatchError, match="only a batch of 1"):
        unroll_batch(graphs.queries(batch=2, baked=2), 4)


def test_leak_between_slots_is_caught(pixels):
    model = fix_spatial_dims(graphs.queries(leak=True), *SIZE)
    with pytest.raises(BatchError, match=r"slot 0 of 3 different images .* not independent"):
        check_slots(model, pixels, single_answers(model, pixels))


def test_leaking_onnx_is_served_one_image_at_a_time(pixels):
    imported = import_onnx(graphs.queries(leak=True), pixels, 4)
    assert not imported.dynamic
    assert any("not independent" in note for note in imported.notes)


def test_output_without_a_batch_axis_is_no_dynamic_batch(pixels):
    model = graphs.queries()
    model.graph.node.append(onnx.helper.make_node("ReduceMax", ["logits"], ["best"], axes=[0], keepdims=0))
    model.graph.output.append(graphs.info("best", [24, 4]))
    with pytest.raises(BatchError, match="one row for each"):
        check_slots(model, pixels, single_answers(model, pixels))


@pytest.mark.parametrize("shape_reader", [False, True])
def test_std_is_folded_into_the_first_convolution_exactly(pixels, shape_reader):
    model = graphs.queries()
    if shape_reader:
        model.graph.node.append(onnx.helper.make_node("Shape", ["pixel_values"], ["dims"]))
    folded, place = fold_std(model, (0.229, 0.224, 0.225))
    assert place == "first Conv"
    assert not [node for node in folded.graph.node if node.op_type == "Mul"]
    same(model, folded, pixels, (0.229, 0.224, 0.225))


def test_std_becomes_a_mul_where_the_image_has_two_readers(pixels):
    model = graphs.queries()
    model.graph.node.append(onnx.helper.make_node("Relu", ["pixel_values"], ["copy"]))
    model.graph.output.append(graphs.info("copy", ["batch", 3, *SIZE]))
    folded, place = fold_std(model, (0.2, 0.4, 0.8))
    assert place == "Mul"
    same(model, folded, pixels, (0.2, 0.4, 0.8))


def same(model, folded, pixels, std):
    factor = np.float32(std)[:, None, None]
    for batch in (1, 3):
        got = answers(session(folded), pixels[:batch] * factor)
        assert largest_difference(got, answers(session(model), pixels[:batch])) < 1e-5


def test_std_is_never_folded_twice():
    folded, _ = fold_std(graphs.queries(), (0.2, 0.4, 0.8))
    with pytest.raises(GraphError, match="folding it twice"):
        fold_std(folded, (0.2, 0.4, 0.8))


def test_size_comes_from_the_graph_then_from_its_metadata():
    assert graph_size(graphs.queries()) == SIZE
    symbolic = graphs.queries(size=("height", "width"))
    assert graph_size(symbolic) == (0, 0)
    entry = symbolic.metadata_props.add()
    entry.key, entry.value = "imgsz", "[32, 48]"
    assert graph_size(symbolic) == (32, 48)


def test_scores_beside_pixel_boxes_are_compared_as_scores():
    want = {"rows": np.array([[640.0, 0.5]])}
    assert largest_difference({"rows": np.array([[640.0, 0.6]])}, want) == pytest.approx(0.1)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_number_that_is_none_is_infinitely_far(value):
    assert largest_difference({"a": np.array([value])}, {"a": np.array([1.0])}) == np.inf
