"""Ready-made ONNX files: interface, size, batch and std, each proven in ONNX Runtime."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import tiny_graphs as graphs
from dsbench.onnx.batch import (
    BatchError,
    check_slots,
    declared_batch,
    largest_batch,
    single_answers,
    static_onnx,
    unroll_batch,
)
from dsbench.onnx.compare import GraphError, answers, largest_difference, session
from dsbench.onnx.graph import fix_spatial_dims
from dsbench.onnx.importing import graph_size, import_onnx, source_answers, write_import_reference
from dsbench.onnx.interface import representable, takes_levels
from dsbench.onnx.prepare import fold_std, prepare
from dsbench.pixels.preprocessing import derive_preprocessing
from inspected import origin_of

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


@pytest.mark.parametrize(
    ("how", "nodes"),
    [
        ({}, []),
        ({"size": ("height", "width")}, []),
        ({"kind": np.uint8}, []),
        ({"kind": np.uint8, "cast_first": False, "size": ("height", "width")}, []),
        ({"kind": np.uint8, "layout": "NCHW"}, []),
        ({"kind": np.float16}, ["Cast"]),
    ],
)
def test_channels_last_and_bytes_are_fed_as_nvinfer_feeds_them(pixels, how, nodes):
    source = graphs.other_image(**how)
    fed = representable(source, pixels * 255 if takes_levels(source) else pixels)
    imported = import_onnx(source, fed, 4)
    assert imported.dynamic
    assert image_shape(imported.model) == ["batch", 3, *SIZE]
    assert imported.model.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    # Two Transposes or a Cast of what is float already leave nothing.
    assert [node.op_type for node in imported.model.graph.node if node.op_type == "Cast"][
        : len(nodes)
    ] == nodes
    assert agree(imported.model, imported, fed) < 1e-4
    assert imported.facts.image_size == SIZE


def test_bytes_that_are_computed_with_keep_a_cast_to_them(pixels):
    source = graphs.other_image(kind=np.uint8, layout="NCHW")
    source.graph.node.insert(0, onnx.helper.make_node("Max", ["pixel_values", "least"], ["brighter"]))
    source.graph.node[1].input[0] = "brighter"
    source.graph.initializer.append(graphs.constant("least", [99], np.uint8))
    levels = representable(source, pixels * 255)
    imported = import_onnx(source, levels, 4)
    assert (
        "input pixel_values was uint8, nvinfer feeds float32: a Cast was put at the input" in imported.notes
    )
    assert agree(imported.model, imported, levels) < 1e-4


def test_pixels_are_those_that_the_type_of_the_image_holds(pixels):
    halves = representable(graphs.queries(kind=np.float16), pixels)
    assert (halves.astype(np.float16) == halves).all() and np.abs(halves - pixels).max() < 1e-3
    levels = representable(graphs.other_image(kind=np.uint8), pixels * 300 - 10)
    assert (levels == levels.round()).all() and levels.min() == 0 and levels.max() == 255
    assert (representable(graphs.queries(), pixels) == pixels).all()


def test_std_of_an_image_in_half_precision_changes_no_answer(pixels, tmp_path):
    source = graphs.queries(kind=np.float16)
    fed = representable(source, pixels)
    imported = import_onnx(source, fed, 4)
    write_import_reference(imported, fed, tmp_path / "reference.npz")
    preprocessing = derive_preprocessing(
        {"size": {"height": 64, "width": 96}, "image_mean": [0.0] * 3, "image_std": [0.229, 0.224, 0.225]},
        True,
    )
    origin = origin_of(imported.model, "rt_detr")
    _, facts = prepare(imported.model, preprocessing, tmp_path / "reference.npz", origin)
    assert facts.max_abs_error == {"batch_1": 0.0, "batch_3": 0.0}


def test_one_channel_is_refused(pixels):
    grey = graphs.other_image()
    grey.graph.input[0].type.tensor_type.shape.dim[3].dim_value = 1
    with pytest.raises(GraphError, match="expected 3 channels as its second axis or its last"):
        import_onnx(grey, pixels, 4)


def tile_of(count, batch="batch", rows=None):
    """Return a detector whose boxes get zeros added, as many as a Tile of `count` gives."""
    model = graphs.queries(batch=batch, baked=rows)
    model.graph.node[-1].output[0] = "raw"
    model.graph.node.append(onnx.helper.make_node("Tile", ["zero", "times"], ["zeros"]))
    model.graph.node.append(onnx.helper.make_node("Add", ["raw", "zeros"], ["pred_boxes"]))
    model.graph.initializer.extend(
        [graphs.constant("zero", [[[0]]], np.float32), graphs.constant("times", [count, 1, 1])]
    )
    return model


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda: tile_of(8), 8),
        (lambda: graphs.queries(baked=4), 4),
        (lambda: tile_of(4, rows=4), 4),
        (lambda: graphs.queries(baked=1), None),
    ],
)
def test_a_batch_that_has_a_name_and_is_baked_in_is_found_by_trying(pixels, make, found):
    imported = import_onnx(make(), pixels, 4)
    assert imported.dynamic
    assert agree(imported.model, imported, pixels) < 1e-5
    told = f"the batch has a name, but the graph is for {found} images: that was found by trying"
    assert (told in imported.notes) is (found is not None)


def crowded(model):
    """Return the model with constants that begin with many other numbers, each more often than its batch."""
    for number in range(20, 29):
        model.graph.initializer.extend(
            graphs.constant(f"crowd_{number}_{again}", np.zeros((number, 1, 1)), np.float32)
            for again in "abc"
        )
    return model


def test_a_baked_batch_is_told_by_the_rows_at_a_batch_of_one(pixels):
    imported = import_onnx(crowded(tile_of(8)), pixels, 4)
    assert imported.dynamic
    assert any("the graph is for 8 images" in note for note in imported.notes)


def test_a_baked_batch_is_found_beside_an_output_that_is_the_same_for_every_image(pixels):
    model = tile_of(8)
    model.graph.node.append(onnx.helper.make_node("Mul", ["zeros", "zeros"], ["labels"]))
    model.graph.output.append(graphs.info("labels", [8, 1, 1]))
    assert source_answers(model, pixels)[1] == 8


def test_rows_that_another_image_does_not_change_are_no_batch(pixels):
    model = graphs.queries()
    model.graph.node.append(onnx.helper.make_node("ReduceMax", ["logits"], ["best"], axes=[0, 1], keepdims=0))
    model.graph.output.append(graphs.info("best", [4]))
    with pytest.raises(
        GraphError, match=r"output best has the shape \[4\] at batch 1, expected the batch as its"
    ):
        import_onnx(model, pixels, 4)


@pytest.mark.parametrize("is_weight", [True, False])
@pytest.mark.parametrize("dims", [(24, 4), (1, 24, 4)])
def test_an_output_that_no_picture_changes_is_left_out(pixels, is_weight, dims):
    model, value = graphs.queries(), graphs.constant("anchors", np.zeros(dims), np.float32)
    if is_weight:
        model.graph.initializer.append(value)
    else:
        model.graph.node.append(onnx.helper.make_node("Constant", [], ["anchors"], value=value))
    model.graph.output.append(graphs.info("anchors", dims))
    imported = import_onnx(model, pixels, 4)
    assert imported.dynamic
    assert imported.notes == ["output anchors is a constant, which no picture changes: left out"]
    assert imported.alone[0].keys() == {output.name for output in imported.model.graph.output}


@pytest.mark.parametrize("batch", [1, 4])
def test_a_constant_row_for_each_image_is_repeated_for_as_many_as_come(pixels, batch):
    model = graphs.queries(batch=batch, baked=batch)
    nodes = list(model.graph.node)
    nodes[-2].input[0] = "without"
    nodes[-2:-2] = [
        onnx.helper.make_node("Concat", ["token", "table"], ["with"], axis=1),
        onnx.helper.make_node("Slice", ["with", "one", "end", "one"], ["without"]),
    ]
    weights = [graphs.constant("token", np.ones((batch, 1, 8)), np.float32)]
    weights += [graphs.constant("one", [1]), graphs.constant("end", [99])]
    source = graphs.model_of(
        nodes, model.graph.input, model.graph.output, [*model.graph.initializer, *weights]
    )
    imported = import_onnx(source, pixels, 4)
    assert imported.dynamic
    assert agree(imported.model, imported, pixels) < 1e-5


def test_why_a_batch_stays_as_it_is_is_told_in_words(pixels):
    source = graphs.batch_in_axis_1()
    source.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    notes = import_onnx(source, pixels, 4).notes
    assert any("cannot be made dynamic (the ONNX fails at batch 3: node Reshape" in note for note in notes), (
        notes
    )
    assert not any("onnxruntime" in note.lower() for note in notes)


def test_a_batch_of_older_operators_is_unrolled(pixels, tmp_path):
    source = graphs.batch_in_axis_1()
    source.opset_import[0].version = 11
    splits = [node for node in source.graph.node if node.op_type == "Split"]
    for node in splits:
        del node.input[1:]
        node.attribute.append(onnx.helper.make_attribute("split", [4, 4]))
    imported = import_onnx(source, pixels, 4)
    write_import_reference(imported, pixels, tmp_path / "reference.npz")
    assert agree(static_onnx(imported.model, 3, tmp_path / "reference.npz"), imported, pixels) < 1e-5


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


@pytest.mark.parametrize(
    ("size", "remedy"), [(SIZE, "ONNX Runtime alone"), (("height", "width"), r"preprocessing: \{size: ")]
)
def test_a_graph_that_does_not_run_at_the_size_says_what_to_do(pixels, size, remedy):
    source = graphs.queries(size=size)
    source.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1, 3, 7, 7]), "seven"))
    source.graph.node.insert(0, onnx.helper.make_node("Reshape", ["pixel_values", "seven"], ["patches"]))
    source.graph.node.insert(1, onnx.helper.make_node("ReduceMax", ["patches"], ["unused"], keepdims=0))
    source.graph.output.append(onnx.helper.make_tensor_value_info("unused", onnx.TensorProto.FLOAT, []))
    with pytest.raises(GraphError, match=f"picture of {SIZE[1]}x{SIZE[0]}: .*{remedy}"):
        import_onnx(source, pixels, 4)


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


@pytest.mark.parametrize(("batch", "largest"), [("batch", 327), (1, None)])
def test_the_batch_above_which_a_tensor_is_too_large_is_known_from_the_graph(batch, largest):
    """RT-DETR's stem at 640x640 gives 64 x 320 x 320 numbers for an image."""
    weights = helper.make_tensor("weights", TensorProto.FLOAT, [64, 3, 2, 2], np.zeros(64 * 12, np.float32))
    nodes = [
        helper.make_node("Conv", ["image", "weights"], ["stem"], strides=[2, 2]),
        helper.make_node("ReduceMean", ["stem"], ["mean"], axes=[2, 3], keepdims=0),
    ]
    image, mean = graphs.info("image", [batch, 3, 640, 640]), graphs.info("mean", [batch, 64])
    assert largest_batch(graphs.model_of(nodes, [image], [mean], [weights])) == largest
