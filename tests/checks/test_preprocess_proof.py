"""Wrong preprocessing is caught and named, with a detector whose answer depends on colour, level and place."""

import json
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
from onnx import helper

from dsbench.boxes.detection_scores import Decoder
from dsbench.checks.findings import FilterChoice, FilterRow, OwnObjects, PreprocessProof, Way
from dsbench.checks.preprocess_proof import (
    AS_DERIVED,
    Model,
    alternatives,
    in_levels,
    prove_preprocessing,
    reference_of,
)
from dsbench.checks.preprocess_verdict import check_ways
from dsbench.checks.verdict import CheckError
from dsbench.core.errors import BuildError
from dsbench.core.records import read_record, write_record
from dsbench.families.declared import family_named
from dsbench.families.family import PixelRule
from dsbench.onnx.compare import session
from dsbench.onnx.in_graph import split_resize, with_resize
from dsbench.onnx.inspection import ChosenFilter
from dsbench.onnx.prepare import fold_std
from dsbench.pixels.graph_resize import processor_matrices
from dsbench.pixels.nvinfer_pixels import NetworkInput, middle_frames, rgb_of
from dsbench.pixels.preprocessing import derive_preprocessing
from tiny_graphs import constant, info, model_of

FRAME = (192, 320)
SIDE, CELL = 96, 16
# nvinfer's chroma, and what no filter of it does as the image processor: OWLv2's smoothing and its rounded sides.
FILTER_LEVELS = 5
GRID_LIKENESS = 0.9
GREY, RED, BLUE = (80, 80, 80), (230, 30, 20), (20, 40, 220)
SIZE = {"size": {"height": SIDE, "width": SIDE}}
IMAGENET = {"do_normalize": True, "image_mean": [0.485, 0.456, 0.406], "image_std": [0.5, 0.5, 0.5]}
PLAIN = SIZE | {"image_processor_type": "RTDetrImageProcessor"}
NORMALISED = PLAIN | IMAGENET
PADDED = SIZE | {"image_processor_type": "Owlv2ImageProcessor"}


def colour_detector(threshold=0.3):
    """Return a graph whose class 0 is red and class 1 blue, for each cell of 16 pixels; levels are 0..1."""
    cells = SIDE // CELL
    kernel = np.array([[1, -1, -1], [-1, -1, 1]], np.float32)[:, :, None, None] * np.ones((CELL, CELL))
    centres = (np.arange(cells) + 0.5) / cells
    grid = np.stack(np.meshgrid(centres, centres), axis=-1).reshape(1, -1, 2)
    boxes = np.concatenate([grid, np.full_like(grid, 1 / cells)], axis=2)
    weights = [
        constant("kernel", kernel * 4 / CELL**2, np.float32),
        constant("bias", [-4 * threshold] * 2, np.float32),
        constant("rows", [0, 2, -1]),
        constant("boxes", boxes, np.float32),
    ]
    nodes = [
        helper.make_node("Conv", ["pixel_values", "kernel", "bias"], ["map"], strides=[CELL, CELL]),
        helper.make_node("Reshape", ["map", "rows"], ["flat"]),
        helper.make_node("Transpose", ["flat"], ["logits"], perm=[0, 2, 1]),
        helper.make_node("Identity", ["boxes"], ["pred_boxes"]),
    ]
    outputs = [info("logits", [1, cells**2, 2]), info("pred_boxes", [1, cells**2, 4])]
    return model_of(nodes, [info("pixel_values", [1, 3, SIDE, SIDE])], outputs, weights)


def write_clip(path, shown):
    """Write 10 frames of 320x192 pixels that show coloured rectangles (left, top, right, bottom) on grey."""
    image = np.full((*FRAME, 3), GREY, np.uint8)
    for (left, top, right, bottom), colour in shown:
        image[top:bottom, left:right] = colour
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(30))
        stream.width, stream.height, stream.pix_fmt = *FRAME[::-1], "yuv420p"
        stream.bit_rate = 4_000_000
        for _ in range(10):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return middle_frames(path, 10, 2)


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    shown = [((0, 0, 107, 64), RED), ((213, 64, 320, 128), BLUE), ((107, 128, 160, 192), RED)]
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", shown)


@pytest.fixture(scope="module")
def grey_frames(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clip") / "grey.mp4", [])


def model_with(preprocessing, graph=None):
    family = family_named("rt_detr")
    tensors = {"logits": "logits", "boxes": "pred_boxes"}
    decoder = Decoder(family, tensors, family.all_settings(), 2, 0.5)
    return Model(session(graph or colour_detector()), preprocessing, decoder)


def processor(tmp_path, config):
    path = tmp_path / "preprocessor_config.json"
    path.write_text(json.dumps(config))
    return reference_of(path, family_named("rt_detr"), (SIDE, SIDE), FRAME)


def derived_from(config):
    return derive_preprocessing(config, False)


@pytest.mark.parametrize("config", [PLAIN, NORMALISED, PADDED], ids=["plain", "normalised", "padded"])
def test_right_preprocessing_passes_and_is_the_closest_and_the_best(tmp_path, frames, config):
    result = prove_preprocessing(
        model_with(derived_from(config)), processor(tmp_path, config), frames
    ).required()
    assert result.passed and result.told_by_detections
    assert result.reference == "preprocessor_config.json"
    assert result.frames == [2, 7]
    derived, *others = result.alternatives
    assert derived.keys == AS_DERIVED
    assert derived.mean_difference < FILTER_LEVELS
    assert derived.likeness > GRID_LIKENESS
    assert len(others) >= 6
    for way in others:
        assert way.mean_difference > derived.mean_difference + 10, way.keys
        assert way.likeness < derived.likeness - 0.02, way.keys
    assert result.warnings == result.notes == []
    assert sum(result.reference_counts) == result.reference_detections >= 8
    assert len(result.reference_counts) == 2 and 0.5 < result.reference_best_score <= 1


def test_every_filter_is_measured_and_the_closest_is_taken(tmp_path, frames):
    result = prove_preprocessing(
        model_with(derived_from(PLAIN)), processor(tmp_path, PLAIN), frames
    ).required()
    area, cubic, bilinear, nearest = result.scaling_filters
    assert result.scaling_filter == area.scaling_filter == 3
    assert [each.name for each in (area, cubic, bilinear, nearest)] == [
        "area",
        "cubic",
        "bilinear",
        "nearest",
    ]
    assert (area.moved_x, bilinear.moved_x, bilinear.moved_y) == (0, 0.5, 0.5)
    # 320 to 96 pixels, 192 to 96.
    assert (nearest.moved_x, nearest.moved_y) == pytest.approx((0.45, 0.25))
    # This detector's boxes lie on a grid, whatever the pixels; moved back, they lie aside.
    assert (bilinear.shift_x, nearest.shift_y) == pytest.approx((-0.5, -0.25), abs=0.01)
    assert area.mean_overlap > 0.99 > bilinear.mean_overlap + 0.05
    assert area.mean_difference < bilinear.mean_difference


def test_the_proof_and_each_of_its_parts_are_read_as_they_were_written(tmp_path, frames):
    file = tmp_path / "preprocess.json"
    result = prove_preprocessing(
        model_with(derived_from(PLAIN)), processor(tmp_path, PLAIN), frames
    ).required()
    write_record(file, result)
    assert read_record(file, PreprocessProof) == result
    assert read_record(file, ChosenFilter) == ChosenFilter(result.scaling_filter)
    assert read_record(file, OwnObjects).reference_counts == result.reference_counts
    file.write_text("{}")
    with pytest.raises(BuildError, match=r"is no OwnObjects .*missing required field `reference`"):
        read_record(file, OwnObjects)


def test_resize_in_the_graph_is_proven_at_the_network_and_only_copied_before(tmp_path, frames):
    matrices = processor_matrices(PLAIN, (SIDE, SIDE), FRAME)
    whole, preprocessing = with_resize(colour_detector(), matrices, derived_from(PLAIN))
    front, behind = split_resize(whole)
    model = replace(model_with(preprocessing, behind), resize=session(front))
    result = prove_preprocessing(model, processor(tmp_path, PLAIN), frames).required()
    nearest, area, _, bilinear = result.scaling_filters
    assert result.scaling_filter == nearest.scaling_filter == 0
    assert "only where width and height both shrink" in area.refused
    # Half a pixel of the frame, not of the network.
    assert (bilinear.moved_x, bilinear.moved_y) == pytest.approx(
        (0.5 * SIDE / FRAME[1], 0.5 * SIDE / FRAME[0])
    )
    assert nearest.mean_overlap > 0.99 and nearest.mean_difference < 1
    wrong = replace(model, preprocessing=replace(preprocessing, model_color_format="BGR"))
    with pytest.raises(CheckError, match=r"with model-color-format=0 by "):
        prove_preprocessing(wrong, processor(tmp_path, PLAIN), frames).required()


def test_stated_filter_is_the_derived_one(tmp_path, frames):
    model, reference = model_with(derived_from(PLAIN)), processor(tmp_path, PLAIN)
    result = prove_preprocessing(model, reference, frames, stated_filter=1).required()
    assert (result.scaling_filter, result.filter_is_stated) == (1, True)
    bilinear = result.scaling_filters[2]
    assert result.alternatives[0].mean_difference == bilinear.mean_difference


@pytest.mark.parametrize(
    ("config", "wrong", "named"),
    [
        (PLAIN, {"net_scale_factor": 1.0}, "net-scale-factor=0.00392157"),
        (PLAIN, {"model_color_format": "BGR"}, "model-color-format=0"),
        (PADDED, {"maintain_aspect_ratio": False}, "maintain-aspect-ratio=1, symmetric-padding=0"),
        (PADDED, {"symmetric_padding": True}, "symmetric-padding=0"),
        (PLAIN, {"maintain_aspect_ratio": True}, "maintain-aspect-ratio=0"),
        (NORMALISED, {"offsets": None}, "offsets=123.675;116.28;103.53"),
        (PLAIN, {"offsets": (123.675, 116.28, 103.53)}, "no offsets"),
    ],
)
def test_wrong_preprocessing_is_caught_and_the_right_one_is_named(tmp_path, frames, config, wrong, named):
    model = model_with(replace(derived_from(config), **wrong))
    with pytest.raises(CheckError, match="The derived preprocessing is wrong: as derived") as caught:
        prove_preprocessing(model, processor(tmp_path, config), frames).required()
    assert f"with {named} by " in str(caught.value)
    ways = {way.keys: way for way in caught.value.numbers.alternatives}
    # What the model detects says the same as the pixels.
    assert max(ways.values(), key=lambda way: way.likeness).keys == named
    assert ways[named].likeness > ways[AS_DERIVED].likeness + 0.02
    assert not caught.value.numbers.passed


def test_std_in_the_graph_is_divided_by_on_both_sides(tmp_path, frames):
    config = PLAIN | IMAGENET | {"image_std": [0.3, 0.5, 0.8]}
    folded, _ = fold_std(colour_detector(), config["image_std"])
    preprocessing = derived_from(config)
    assert preprocessing.folded_std is not None
    result = prove_preprocessing(
        model_with(preprocessing, folded), processor(tmp_path, config), frames
    ).required()
    assert result.alternatives[0].mean_difference < FILTER_LEVELS
    assert result.alternatives[0].likeness > GRID_LIKENESS
    with pytest.raises(CheckError, match="is wrong"):
        prove_preprocessing(
            model_with(replace(preprocessing, folded_std=None), folded), processor(tmp_path, config), frames
        ).required()


def test_padding_that_changes_no_pixel_is_the_same_not_better(tmp_path, frames):
    config = PLAIN | {"size": {"height": 96, "width": 160}}
    family = family_named("rt_detr")
    path = tmp_path / "preprocessor_config.json"
    path.write_text(json.dumps(config))
    graph = colour_detector()
    graph.graph.input[0].type.tensor_type.shape.dim[3].dim_value = 160
    for output in graph.graph.output:
        output.type.tensor_type.shape.dim[1].dim_param = "cells"
    # As many boxes as cells: of ten columns instead of six.
    boxes = next(weight for weight in graph.graph.initializer if weight.name == "boxes")
    boxes.CopyFrom(constant("boxes", np.random.default_rng(0).uniform(0.3, 0.7, (1, 60, 4)), np.float32))
    reference = reference_of(path, family, (96, 160), FRAME)
    result = prove_preprocessing(model_with(derived_from(config), graph), reference, frames).required()
    same = [way.keys for way in result.alternatives if way.same_as_derived]
    assert same == [
        "maintain-aspect-ratio=1, symmetric-padding=0",
        "maintain-aspect-ratio=1, symmetric-padding=1",
    ]


def test_clip_without_objects_tells_nothing_by_detections_and_says_so(tmp_path, grey_frames):
    result = prove_preprocessing(
        model_with(derived_from(PLAIN)), processor(tmp_path, PLAIN), grey_frames
    ).required()
    assert result.passed and not result.told_by_detections
    assert [note for note in result.notes if note.startswith("Not told by this clip")]
    assert result.alternatives[0].likeness is None
    assert (result.reference_counts, result.reference_best_score) == ([0, 0], None)


def test_size_that_the_processor_would_not_give_is_noted(tmp_path, frames):
    config = PLAIN | {"size": {"shortest_edge": 48, "longest_edge": 96}}
    preprocessing = replace(derived_from(config), height=SIDE, width=SIDE)
    result = prove_preprocessing(model_with(preprocessing), processor(tmp_path, config), frames).required()
    assert (
        "makes 48x80 (height x width) of this clip's frames, the network is fixed at 96x96" in result.notes[0]
    )


@pytest.mark.parametrize("padding", ["none", "corner", "centre"])
def test_without_image_processor_the_familys_rule_is_the_reference(frames, padding):
    family = replace(family_named("rt_detr"), pixels=PixelRule(padding=padding))
    preprocessing = derive_preprocessing(None, None, family.pixels, graph_size=(SIDE, SIDE))
    reference = reference_of(None, family, (SIDE, SIDE), FRAME)
    result = prove_preprocessing(model_with(preprocessing), reference, frames).required()
    assert result.passed
    assert result.reference == "family"
    assert result.alternatives[0].mean_difference < FILTER_LEVELS
    derived, *others = result.alternatives
    assert [warning.split(" the model ")[0].removeprefix("With ") for warning in result.warnings] == [
        way.keys for way in others if way.confidence > 2 * derived.confidence
    ]
    with pytest.raises(CheckError, match=r"with model-color-format=0 by .* There is no preprocessor_config"):
        prove_preprocessing(
            model_with(replace(preprocessing, model_color_format="BGR")), reference, frames
        ).required()


def test_flipped_channels_are_proven_and_unflipped_ones_are_caught(tmp_path, frames):
    config = NORMALISED | {"image_processor_type": "RTDetrImageProcessor", "do_flip_channel_order": True}
    preprocessing, reference = derived_from(config), processor(tmp_path, config)
    result = prove_preprocessing(model_with(preprocessing), reference, frames).required()
    assert result.passed and result.alternatives[0].mean_difference < FILTER_LEVELS
    unflipped = replace(preprocessing, model_color_format="RGB", offsets=preprocessing.offsets[::-1])
    with pytest.raises(CheckError, match=r"with model-color-format=1, offsets=103\.53;116\.28;123\.675 by "):
        prove_preprocessing(model_with(unflipped), reference, frames).required()


def test_what_the_entry_states_is_the_reference_and_its_advice_is_to_correct_it(frames):
    family = replace(family_named("rt_detr"), pixels=PixelRule(color="BGR"))
    block = {"color": "RGB", "resize": "letterbox", "placement": "centre", "fill": 114}
    preprocessing = derive_preprocessing(None, None, family.pixels, block, (SIDE, SIDE))
    reference = reference_of(None, family, (SIDE, SIDE), FRAME, block)
    result = prove_preprocessing(model_with(preprocessing), reference, frames).required()
    assert result.passed and result.reference == "preprocessing: in the config"
    assert result.alternatives[0].mean_difference < FILTER_LEVELS
    with pytest.raises(
        CheckError, match=r"with model-color-format=0 by .* Correct preprocessing: in the model's"
    ):
        prove_preprocessing(
            model_with(replace(preprocessing, model_color_format="BGR")), reference, frames
        ).required()


@pytest.mark.parametrize("name", ["yolo_v8", "yolox", "nanodet"])
def test_file_with_only_a_size_is_proven_against_the_familys_rule(tmp_path, frames, name):
    family = family_named(name)
    path = tmp_path / "preprocessor_config.json"
    path.write_text(json.dumps(SIZE))
    preprocessing = derive_preprocessing(SIZE, family.normalizes, family.pixels)
    reference = reference_of(path, family, (SIDE, SIDE), FRAME)
    folded, _ = fold_std(colour_detector(), preprocessing.folded_std or (1, 1, 1))
    result = prove_preprocessing(model_with(preprocessing, folded), reference, frames).required()
    assert result.passed and result.reference == "preprocessor_config.json"
    assert result.alternatives[0].mean_difference < FILTER_LEVELS


def way(keys, **values):
    defaults = {"mean_difference": 2.0, "max_difference": 50.0, "likeness": 0.9, "detections": 10}
    return Way(keys=keys, **{"same_as_derived": False, "confidence": 8.0} | defaults | values)


def checked(derived, other, origin="preprocessor_config.json", reference_detections=10):
    ways = [way(AS_DERIVED, **derived), way("model-color-format=1", **{"mean_difference": 30.0} | other)]
    own = OwnObjects(origin, [1, 2], [0, reference_detections], reference_detections, 0.9)
    return check_ways(ways, own, FilterChoice(3, False, [FilterRow(3, "area")])).required()


@pytest.mark.parametrize(
    ("derived", "passes", "stops"), [(0.97, 0.98, 1.0), (0.9, 0.92, 0.95), (0.5, 0.62, 0.63)]
)
def test_likeness_better_than_chance_stops_and_says_by_how_much(derived, passes, stops):
    assert checked({"likeness": derived}, {"likeness": passes}).passed
    says = f"to {derived:.3f} of 1, with model-color-format=1 to {stops:.3f}. Write the settings"
    with pytest.raises(CheckError, match=says):
        checked({"likeness": derived}, {"likeness": stops})


def test_a_rival_with_quite_other_pixels_does_not_win_by_chance():
    rival = {"likeness": 0.802, "mean_difference": 128.0}
    assert checked({"likeness": 0.679}, rival).passed
    with pytest.raises(CheckError, match=r"to 0\.679 of 1, with model-color-format=1 to 0\.802"):
        checked({"likeness": 0.679}, rival | {"mean_difference": 6.0})


def test_too_few_objects_decide_nothing_and_it_is_said():
    result = checked({"likeness": 0.5}, {"likeness": 1.0}, reference_detections=7)
    assert result.passed and not result.told_by_detections
    assert "the model detects 7 objects in its 2 frames" in result.notes[0]
    assert "8 are needed" in result.notes[0]
    with pytest.raises(CheckError, match="is wrong: as derived the pixels differ"):
        checked({"mean_difference": 20.0}, {}, reference_detections=1)


def test_pixels_that_only_another_filter_explains_pass_and_more_do_not():
    assert checked({"mean_difference": 2.0}, {"mean_difference": 1.7}).passed
    with pytest.raises(CheckError, match=r"by 20\.0 levels of 256 on average, at most 12 are expected"):
        checked({"mean_difference": 20.0}, {})


def test_same_arithmetic_is_never_better():
    same = {"same_as_derived": True, "likeness": 0.99, "mean_difference": 0.1}
    assert checked({}, same).passed


def test_without_image_processor_silence_stops_only_where_another_setting_finds_many():
    silent = {"detections": 0, "confidence": 0.0, "likeness": None}
    with pytest.raises(
        CheckError, match=r"finds nothing in 2 frames, with model-color-format=1 the model finds 9"
    ):
        checked(silent, {"detections": 9, "likeness": 0.0}, "family", 0)
    result = checked(silent, {"detections": 1, "confidence": 0.6, "likeness": 0.0}, "family", 0)
    assert "With model-color-format=1 the model reports more: 1 objects" in result.warnings[0]
    assert checked(silent, {"detections": 9, "likeness": 0.0}, reference_detections=0).warnings == []


def test_alternatives_change_one_setting_each_and_offsets_follow_the_channels():
    derived = replace(derived_from(NORMALISED), net_scale_factor=1 / 255)
    names = alternatives(derived)
    assert list(names) == [
        AS_DERIVED,
        "net-scale-factor=1",
        "net-scale-factor=0.00784314, offsets=127.5;127.5;127.5",
        "no offsets",
        "model-color-format=1, offsets=103.53;116.28;123.675",
        "maintain-aspect-ratio=1, symmetric-padding=0",
        "maintain-aspect-ratio=1, symmetric-padding=1",
    ]


def test_nvinfers_pixels_are_those_of_ffmpeg_where_nothing_is_scaled(frames):
    derived = derived_from(PLAIN | {"size": {"height": FRAME[0], "width": FRAME[1]}})
    frame = frames[0][1]
    levels = NetworkInput(replace(derived, scaling_filter=2), *FRAME[::-1]).tensor(frame)[0] * 255
    difference = np.abs(levels - rgb_of(frame).transpose(2, 0, 1))
    assert difference.mean() < 2
    assert difference[:, 20:40, 20:80].max() <= 3


def test_video_shorter_than_it_says_is_refused(tmp_path):
    write_clip(tmp_path / "clip.mp4", [])
    with pytest.raises(BuildError, match="ended before frame 30"):
        middle_frames(tmp_path / "clip.mp4", 40, 2)


@pytest.mark.parametrize("processor", [NORMALISED | {"do_normalize": False}, None])
def test_reference_of_a_network_of_bytes_is_in_levels(tmp_path, processor):
    rule = PixelRule(scale=1 / 128, mean=(1.0, 0.5, 0.25), std=(0.5, 0.25, 0.2))
    family = replace(family_named("rt_detr"), pixels=rule)
    config = None
    if processor:
        config = tmp_path / "preprocessor_config.json"
        config.write_text(json.dumps(processor))
    rgb = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    reference = in_levels(reference_of(config, family, (SIDE, SIDE), (SIDE, SIDE)))
    made = reference.pixels(rgb)
    assert np.abs(made.tensor - rgb.transpose(2, 0, 1)).max() < 1e-6
    assert (made.level == 1).all()
