"""The resize at the head of an ONNX is the model's own, and boxes come back to the frame."""

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import helper

from dsbench.boxes.detection_scores import Decoder
from dsbench.families.declared import family_named
from dsbench.families.family import PixelRule
from dsbench.onnx.compare import GraphError, answers, session
from dsbench.onnx.half_precision import half_precision, rounded, to_half
from dsbench.onnx.in_graph import RESIZED, split_resize, with_resize
from dsbench.onnx.inspection import ObjectCounts
from dsbench.onnx.model_onnx import ModelFolder
from dsbench.onnx.prepare import prepare
from dsbench.pixels.graph_resize import family_matrices, processor_matrices
from dsbench.pixels.preprocessing import derive_preprocessing
from dsbench.pixels.reference_preprocessing import family_pixels, processor_pixels
from inspected import origin_of
from tiny_graphs import HEIGHT, WIDTH, constant, info, model_of, queries

FRAME = (180, 320)
SIZE = (HEIGHT, WIDTH)
# The image processor rounds to whole levels twice, the graph not at all. The sizes of a cubic kernel's weights add up
# to 1.25, by which the second pass multiplies the first rounding.
LEVEL, CUBIC_LEVEL = 1.0, 1.125
PROCESSOR = {
    "size": {"height": HEIGHT, "width": WIDTH},
    "image_processor_type": "RTDetrImageProcessor",
    "do_normalize": True,
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.5, 0.5, 0.5],
}
LETTERBOXES = [
    PixelRule(padding="centre", fill=114.0),
    PixelRule(padding="corner", fill=0.0, color="BGR"),
    PixelRule(
        padding="corner", fill=114.0, scale=1.0, mean=(103.53, 116.28, 123.675), std=(57.375, 57.12, 58.395)
    ),
    PixelRule(padding="none"),
]


@pytest.fixture(scope="module", params=["noise", "edges"])
def rgb(request):
    random = np.random.default_rng(3)
    if request.param == "noise":
        return random.integers(60, 196, (*FRAME, 3), np.uint8)
    picture = np.full((*FRAME, 3), 30, np.uint8)
    picture[40:121, 50:171] = (220, 90, 10)
    return picture


def grid_detector():
    """Return YOLOX without its decoding: one box in the first cell of each stride, as wide as the picture is bright."""
    rows = np.zeros((126, 9), np.float32)
    rows[[0, 96, 120]] = [0.5, 0.5, 1.0, 1.0, 0.9, 0.8, 0.1, 0.1, 0.1]
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["brightness"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Reshape", ["brightness", "as_rows"], ["factor"]),
        helper.make_node("Mul", ["factor", "rows"], ["out"]),
    ]
    return model_of(
        nodes,
        [info("images", ["batch", 3, *SIZE])],
        [info("out", ["batch", *rows.shape])],
        [constant("as_rows", [-1, 1, 1]), constant("rows", rows, np.float32)],
    )


def resized(matrices, preprocessing, rgb):
    """Return what the network gets of a frame that nvinfer hands on whole, float64 [3, H, W], std taken out."""
    model, given = with_resize(queries(), matrices, preprocessing)
    front, _ = split_resize(model)
    order = slice(None, None, -1 if given.model_color_format == "BGR" else 1)
    levels = rgb.transpose(2, 0, 1)[order].astype(np.float32)
    offsets = np.asarray(given.offsets or (0, 0, 0), np.float32)[:, None, None]
    pixels = np.float32(given.net_scale_factor) * (levels - offsets)
    (made,) = answers(session(front), pixels[None]).values()
    return made[0] / np.asarray(given.folded_std or (1, 1, 1))[:, None, None]


@pytest.mark.parametrize("resample", [None, 2, 3])
@pytest.mark.parametrize("frame", [FRAME, (50, 70)])
def test_resize_is_the_image_processors_within_a_level(rgb, resample, frame):
    config = PROCESSOR | ({} if resample is None else {"resample": resample})
    picture = rgb[: frame[0], : frame[1]]
    wanted = processor_pixels(picture, config, False, SIZE)
    made = resized(processor_matrices(config, SIZE, frame), derive_preprocessing(config, False), picture)
    difference = np.abs(made - wanted.tensor) / wanted.level[:, None, None]
    assert difference.max() <= (CUBIC_LEVEL if resample == 3 else LEVEL)
    assert difference.mean() < 0.4


@pytest.mark.parametrize("rule", LETTERBOXES)
def test_letterbox_is_the_familys_within_a_level_with_its_fill(rgb, rule):
    wanted = family_pixels(rgb, rule, SIZE)
    preprocessing = derive_preprocessing(None, None, rule, graph_size=SIZE)
    made = resized(family_matrices(rule, SIZE, FRAME), preprocessing, rgb)
    assert (np.abs(made - wanted.tensor) / wanted.level[:, None, None]).max() <= LEVEL


def test_graph_has_matrix_products_alone_and_the_model_behind_is_the_same():
    rule = LETTERBOXES[0]
    preprocessing = derive_preprocessing(None, None, rule, graph_size=SIZE)
    model, given = with_resize(queries(), family_matrices(rule, SIZE, FRAME), preprocessing)
    front, behind = split_resize(model)
    assert [node.op_type for node in front.graph.node] == ["MatMul", "MatMul", "Add"]
    assert [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim][1:] == [3, *FRAME]
    assert (given.height, given.width, given.maintain_aspect_ratio) == (*FRAME, False)
    assert given.model_size == SIZE
    pixels = np.random.default_rng(1).random((2, 3, *SIZE), np.float32)
    for name, value in answers(session(queries()), pixels).items():
        np.testing.assert_array_equal(answers(session(behind), pixels)[name], value)
    assert behind.graph.input[0].name == RESIZED


def test_whole_network_of_black_padding_needs_no_constant():
    rule = PixelRule(padding="corner", fill=0.0)
    preprocessing = derive_preprocessing(None, None, rule, graph_size=SIZE)
    model, _ = with_resize(queries(), family_matrices(rule, SIZE, FRAME), preprocessing)
    assert [node.op_type for node in split_resize(model)[0].graph.node] == ["MatMul", "MatMul"]


def test_what_a_cubic_kernel_overshoots_is_cut_off():
    rgb = np.zeros((*FRAME, 3), np.uint8)
    rgb[:, ::40] = 255
    config = PROCESSOR | {"resample": 3}
    made = resized(processor_matrices(config, SIZE, FRAME), derive_preprocessing(config, False), rgb)
    wanted = processor_pixels(rgb, config, False, SIZE)
    assert (np.abs(made - wanted.tensor) / wanted.level[:, None, None]).max() <= LEVEL


@pytest.mark.parametrize("pads", [True, False])
@pytest.mark.parametrize("frame", [FRAME, (180, 100), (50, 70)])
def test_owlv2s_padding_and_smoothing_are_the_image_processors(rgb, frame, pads):
    config = PROCESSOR | {"image_processor_type": "Owlv2ImageProcessor", "do_pad": pads}
    picture = rgb[: frame[0], : frame[1]]
    wanted = processor_pixels(picture, config, True, SIZE)
    matrices = processor_matrices(config, SIZE, frame)
    made = resized(matrices, derive_preprocessing(config, True), picture)
    assert (np.abs(made - wanted.tensor) / wanted.level[:, None, None]).max() <= 0.01
    assert matrices.picture == wanted.picture


def test_static_batch_is_refused(tmp_path):
    rule = PixelRule()
    preprocessing = derive_preprocessing(None, None, rule, graph_size=SIZE)
    pixels = np.random.default_rng(1).random((3, 3, *SIZE), np.float32)
    known = {f"b1/{name}": value for name, value in answers(session(queries()), pixels[:1]).items()}
    np.savez(tmp_path / "reference.npz", pixels=pixels, **known)
    origin = origin_of(queries(), "rt_detr")
    matrices = family_matrices(rule, SIZE, FRAME)
    with pytest.raises(GraphError, match="the batch of this ONNX is static"):
        prepare(
            queries(),
            preprocessing,
            tmp_path / "reference.npz",
            replace(origin, dynamic=False),
            resize=matrices,
        )
    _, facts = prepare(queries(), preprocessing, tmp_path / "reference.npz", origin, resize=matrices)
    assert facts.input.shape[1:] == [3, *FRAME]
    assert facts.preprocessing.in_graph.picture == (0, 0, WIDTH, HEIGHT)
    assert facts.notes[-1].startswith(
        f"The ONNX resizes frames of {FRAME[1]}x{FRAME[0]} to {WIDTH}x{HEIGHT} itself"
    )


def test_what_nvinfer_would_do_otherwise_is_no_note_of_a_resize_in_the_graph():
    rule = LETTERBOXES[0]
    preprocessing = derive_preprocessing(None, None, rule, graph_size=SIZE)
    assert any("Padding is black in nvinfer, 114" in note for note in preprocessing.notes)
    _, given = with_resize(queries(), family_matrices(rule, SIZE, FRAME), preprocessing)
    assert not any("Padding is black" in note for note in given.notes)
    assert len(given.notes) == len(preprocessing.notes)


def test_source_folder_says_which_resize_it_is(tmp_path):
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(PROCESSOR | {"resample": 3}))
    onnx.save(queries(), tmp_path / "model.onnx")
    family = family_named("rt_detr")
    folder = ModelFolder(tmp_path, ("preprocessor_config.json", "model.onnx"))
    assert folder.resize_matrices(SIZE, family, FRAME).rows.min() < 0
    lone = ModelFolder(
        tmp_path, ("model.onnx",), None, {"resize": "letterbox", "placement": "centre", "fill": 114}
    )
    matrices = lone.resize_matrices(SIZE, family, FRAME)
    assert matrices.fill == 114 and matrices.picture.top > 0


@pytest.mark.parametrize("scale", [1 / 255, 1.0])
def test_resize_in_half_precision_is_within_a_level_of_float32s(rgb, scale):
    rule = replace(LETTERBOXES[0], scale=scale)
    preprocessing = derive_preprocessing(None, None, rule, graph_size=SIZE)
    model, given = with_resize(queries(), family_matrices(rule, SIZE, FRAME), preprocessing)
    pixels = (given.net_scale_factor * rgb.transpose(2, 0, 1)[None]).astype(np.float32)
    exact, half = (
        next(iter(answers(session(split_resize(each)[0]), pixels).values())).astype(np.float64)
        for each in (model, rounded(half_precision(model, "least")))
    )
    assert np.abs(half - exact).max() / given.net_scale_factor < 0.5


def test_boxes_of_a_grid_are_compared_in_the_models_own_network():
    rule = PixelRule(padding="none")
    preprocessing = derive_preprocessing(None, None, rule, graph_size=SIZE)
    model, given = with_resize(grid_detector(), family_matrices(rule, SIZE, FRAME), preprocessing)
    decoder = Decoder(family_named("yolox_raw"), {"rows": "out"}, {"fractions": False}, 4, 0.5)
    pixels = np.random.default_rng(2).uniform(0.9, 1.0, (2, 3, *FRAME)).astype(np.float32)
    _, measured = to_half(model, pixels, decoder, given.model_size)
    assert measured.told_by == "detections" and measured.detections == ObjectCounts(fp32=6, fp16=6)
