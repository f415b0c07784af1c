"""What a model's own pipeline does to a frame, from the config's block, its file and its family, and who says so."""

import json

import cv2
import jsonschema
import numpy as np
import pytest
import yaml

import tiny_graphs as graphs
from dsbench.core.errors import BuildError
from dsbench.dag.config_check import check_preprocessing
from dsbench.families.declared import family_named
from dsbench.families.family import PixelRule
from dsbench.onnx.model_onnx import ModelFolder
from dsbench.pixels.image_processor import PreprocessingError
from dsbench.pixels.own_pixels import check_block
from dsbench.pixels.preprocessing import derive_preprocessing, source_pixels
from dsbench.pixels.reference_preprocessing import Picture, family_pixels, processor_pixels
from workflow_run import PROJECT

SQUARE = (64, 64)
SIZE = {"size": {"height": 64, "width": 64}}
MEAN, STD = [103.53, 116.28, 123.675], [57.0, 57.0, 57.0]
YOLO = family_named("yolo_v8").pixels
YOLOX = family_named("yolox").pixels
NANODET = family_named("nanodet").pixels
RT_DETR = {"image_processor_type": "RTDetrImageProcessor"} | SIZE
FULL = {"color": "BGR", "scale": 1, "mean": MEAN, "std": STD, "resize": "letterbox", "placement": "corner"}


def derived(rule, block=None, config=None, size=SQUARE, default=None):
    return derive_preprocessing(config, default, rule, block, size)


def test_block_that_says_all_leaves_nothing_to_the_family():
    found = derived(YOLO, FULL | {"fill": 114})
    assert found.net_scale_factor == pytest.approx(1 / 57)
    assert found.offsets == tuple(MEAN)
    assert found.model_color_format == "BGR"
    assert found.maintain_aspect_ratio and not found.symmetric_padding
    assert found.derived_from == "preprocessing: in the config"
    assert found.notes == ("Padding is black in nvinfer, 114 of 255 in the model's own preprocessing.",)


def test_keys_that_the_block_leaves_out_are_the_familys_and_the_report_says_which():
    found = derived(YOLO, {"color": "BGR", "scale": "1/255"})
    assert found.model_color_format == "BGR"
    assert found.net_scale_factor == pytest.approx(1 / 255)
    assert found.maintain_aspect_ratio and found.symmetric_padding
    assert found.derived_from == "preprocessing: in the config, then the family's own pipeline"
    assert found.notes[0] == (
        "Not said by preprocessing: in the config: mean, std, resizing; its family's usual preprocessing is"
        " assumed: no mean, no std, padded on both sides."
    )


def test_without_file_and_block_the_family_says_it_all():
    found = derived(YOLOX)
    assert (found.model_color_format, found.net_scale_factor, found.offsets) == ("BGR", 1.0, None)
    assert found.derived_from == "the family's own pipeline"
    assert found.notes[0].startswith(
        "There is no preprocessor_config.json; its family's usual preprocessing is"
    )
    assert found.notes[0].endswith("BGR, scale 1, no mean, no std, padded right and below.")


@pytest.mark.parametrize("rule", [YOLO, YOLOX, NANODET], ids=["yolo_v8", "yolox", "nanodet"])
def test_file_with_only_a_size_keeps_the_familys_rule(rule):
    wanted, found = derived(rule), derived(rule, config=SIZE, size=(0, 0))
    pixels = ("net_scale_factor", "offsets", "folded_std", "model_color_format", "maintain_aspect_ratio")
    for key in (*pixels, "symmetric_padding", "height", "width"):
        assert getattr(found, key) == getattr(wanted, key), key
    assert found.derived_from == "preprocessor_config.json, then the family's own pipeline"


def test_each_key_of_a_file_changes_that_alone():
    assert derived(YOLO, config=SIZE | {"rescale_factor": 0.5}).net_scale_factor == 0.5
    assert derived(YOLO, config=SIZE | {"do_rescale": False}).net_scale_factor == 1.0
    assert derived(YOLO, config=SIZE | {"do_rescale": False}).maintain_aspect_ratio
    assert not derived(YOLO, config=SIZE | {"do_pad": False}).maintain_aspect_ratio
    assert derived(YOLO, config=SIZE | {"image_mean": [0.5] * 3}).offsets == pytest.approx((127.5,) * 3)
    assert derived(NANODET, config=SIZE | {"do_normalize": False}).offsets is None


def test_family_of_transformers_normalises_by_its_class_and_own_mean_where_a_file_has_only_a_size():
    detr = family_named("detr")
    found = derived(detr.pixels, config=SIZE, default=detr.normalizes)
    assert found.offsets == pytest.approx((123.675, 116.28, 103.53))
    named = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    rt_detr = family_named("rt_detr")
    assert derived(rt_detr.pixels, config=SIZE | named, default=rt_detr.normalizes).offsets is None


def test_processor_class_settles_what_its_file_leaves_out():
    found = derived(YOLOX, config=RT_DETR)
    assert (found.model_color_format, found.net_scale_factor) == ("RGB", 1 / 255)
    assert not found.maintain_aspect_ratio
    assert found.derived_from == "preprocessor_config.json"


def test_flipped_channels_are_bgr_with_offsets_and_std_of_the_networks_channels():
    config = RT_DETR | {"do_normalize": True, "image_mean": [0.1, 0.2, 0.3], "image_std": [0.5, 0.25, 2.0]}
    found = derived(None, config=config | {"do_flip_channel_order": True})
    assert found.model_color_format == "BGR"
    assert found.offsets == pytest.approx((76.5, 51, 25.5))
    assert found.folded_std == (2.0, 0.25, 0.5)
    image = np.zeros((64, 64, 3), np.uint8)
    image[:] = 200, 150, 100
    reference = processor_pixels(image, config | {"do_flip_channel_order": True}, False, SQUARE)
    levels = np.array([100, 150, 200])
    expected = found.net_scale_factor * (levels - np.array(found.offsets)) / np.array(found.folded_std)
    np.testing.assert_allclose(reference.tensor[:, 9, 9], expected)
    np.testing.assert_allclose(reference.level * found.folded_std, [1 / 255] * 3)


def test_familys_own_mean_follows_the_stated_colour_order():
    assert derived(NANODET).offsets == pytest.approx((103.53, 116.28, 123.675))
    assert derived(NANODET, {"color": "RGB"}).offsets == pytest.approx((123.675, 116.28, 103.53))


@pytest.mark.parametrize(
    ("block", "config", "says"),
    [
        ({"color": "BGR"}, RT_DETR, "in the config says BGR, preprocessor_config.json says RGB; correct the"),
        ({"scale": 1}, RT_DETR, r"says scale 1, preprocessor_config.json says scale 0\.00392157"),
        ({"mean": [0.5] * 3}, RT_DETR, r"says mean \[0\.5, 0\.5, 0\.5\], .* says no mean"),
        (FULL, RT_DETR, "says BGR, scale 1, .* padded right and below, .* says RGB, .* stretched"),
        ({"scale": 1}, {"rescale_factor": 0.5}, r"says scale 1, .* says scale 0\.5"),
        ({"color": "RGB"}, {"do_flip_channel_order": True}, "says RGB, .* says BGR"),
    ],
)
def test_block_and_file_that_contradict_each_other_stop_and_both_are_shown(block, config, says):
    with pytest.raises(PreprocessingError, match=says):
        derived(YOLO, block, config)


@pytest.mark.parametrize(
    ("block", "config"),
    [
        ({"color": "RGB", "scale": 0.0039216, "resize": "stretched", "mean": [0, 0, 0]}, RT_DETR),
        ({"color": "BGR", "resize": "letterbox", "placement": "centre"}, {"rescale_factor": 0.5}),
        # In levels instead of fractions.
        (
            {"scale": 1, "mean": [127.5] * 3, "std": [63.75] * 3},
            RT_DETR | {"do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.25] * 3},
        ),
    ],
)
def test_block_and_file_that_say_the_same_or_of_other_things_are_one(block, config):
    assert derived(YOLO, block, config).derived_from.startswith("preprocessing: in the config, then ")


@pytest.mark.parametrize(
    ("rule", "block", "says"),
    [
        (
            NANODET,
            {"scale": "1/255"},
            "is said without mean and std, and the family's own mean .* scale 1; say all",
        ),
        (
            YOLO,
            {"mean": MEAN},
            r"mean \[103\.53, .*\] lies above every pixel, which end at 1 with scale 0\.0039",
        ),
    ],
)
def test_numbers_of_different_units_are_refused(rule, block, says):
    with pytest.raises(PreprocessingError, match=says):
        derived(rule, block)


def test_block_completes_the_scale_that_a_file_says():
    block = {"scale": "1/255", "mean": [0.5] * 3, "std": [0.5] * 3}
    found = derived(NANODET, block, SIZE | {"do_rescale": True})
    assert (found.offsets, found.net_scale_factor) == (pytest.approx((127.5,) * 3), pytest.approx(2 / 255))


def test_mean_of_a_file_needs_the_order_where_the_family_is_fed_bgr():
    config = SIZE | {"image_mean": [1.0, 2.0, 3.0]}
    with pytest.raises(
        PreprocessingError, match=r"image_mean differs per channel .* add do_flip_channel_order, where"
    ):
        derived(YOLOX, config=config)
    assert derived(YOLOX, config=config | {"do_flip_channel_order": True}).offsets == (3.0, 2.0, 1.0)
    for order in ([1, 2, 3], [3, 2, 1]):
        assert derived(YOLOX, {"mean": order}, config).offsets == tuple(order)
    with pytest.raises(PreprocessingError, match=r"says mean \[1, 2, 4\], .* says mean \[3, 2, 1\]"):
        derived(YOLOX, {"mean": [1, 2, 4]}, config)
    assert derived(YOLOX, config=SIZE | {"image_mean": [2.0] * 3}).offsets == (2.0, 2.0, 2.0)


@pytest.mark.parametrize(
    ("block", "says"),
    [
        (
            {"resize": "letterbox"},
            "resize is letterbox, but placement is not stated; expected placement: corner",
        ),
        ({"placement": "centre"}, "placement is stated, but not resize: letterbox"),
        ({"resize": "stretched", "fill": 114}, "fill is stated, but not resize: letterbox"),
        ({"scale": "1/0"}, "scale is 1/0; expected a number above 0"),
    ],
)
def test_keys_that_do_not_go_together_are_refused_by_the_models_name(block, says):
    with pytest.raises(BuildError, match=says):
        check_block(block)
    with pytest.raises(BuildError, match=f"config: models.m.preprocessing: {says}"):
        check_preprocessing("m", {"source": "x", "preprocessing": block})


@pytest.mark.parametrize(
    ("block", "fits"),
    [
        (FULL | {"fill": 114, "size": {"height": 640, "width": 640}}, True),
        ({"scale": "1/255"}, True),
        ({"scale": "1/127.5"}, True),
        # As the command line gives it.
        ({"scale": "1"}, True),
        ({}, True),
        (None, True),
        ({"scale": "1/x"}, False),
        ({"scale": 0}, False),
        ({"scale": "0.5 "}, False),
        ({"mean": [1, 2]}, False),
        ({"std": [0, 1, 1]}, False),
        ({"color": "GREY"}, False),
        ({"fill": 256}, False),
        ({"size": {"height": 640}}, False),
        ({"size": {"height": 640, "width": 16385}}, False),
        ({"colour": "BGR"}, False),
    ],
)
def test_schema_takes_what_a_block_may_hold_and_nothing_else(block, fits):
    schema = yaml.safe_load((PROJECT / "config/schema.yaml").read_text())
    config = {"models": {"m": {"source": "x", "preprocessing": block}}}
    assert jsonschema.Draft202012Validator(schema).is_valid(config) == fits


def test_fill_is_what_the_reference_pads_with():
    rule = PixelRule(padding="centre", fill=114.0)
    found = family_pixels(np.full((90, 160, 3), 200, np.uint8), rule, (40, 40))
    assert found.picture == Picture(0, 9, 40, 22)
    np.testing.assert_allclose(found.tensor[:, [0, 8, 31], 5], 114 / 255)
    np.testing.assert_allclose(found.tensor[:, 9, 5], 200 / 255)


@pytest.fixture
def folder(tmp_path):
    graphs.write(graphs.queries(size=("height", "width")), tmp_path / "model.onnx")
    return tmp_path


def test_stated_size_is_that_of_an_onnx_with_free_sides(folder):
    block = {"size": {"height": 64, "width": 96}}
    found = ModelFolder(folder, None, None, block).preprocessing()
    assert (found.height, found.width) == (64, 96)
    with pytest.raises(
        PreprocessingError, match=r"says size 64x96 .*, but the ONNX is fixed at 96x96; correct"
    ):
        ModelFolder(folder, None, None, block).preprocessing((96, 96))


def test_stated_size_and_the_files_are_one_unless_the_file_gives_edges(folder):
    block = {"size": {"height": 64, "width": 96}}
    file = folder / "preprocessor_config.json"
    file.write_text(json.dumps(RT_DETR))
    model = ModelFolder(folder, None, None, block)
    with pytest.raises(
        PreprocessingError, match=r"says size 64x96 .*, preprocessor_config.json says size 64x64"
    ):
        model.preprocessing()
    file.write_text(json.dumps(RT_DETR | {"size": {"shortest_edge": 800, "longest_edge": 1333}}))
    found = model.preprocessing()
    assert (found.height, found.width) == (64, 96)
    assert not [note for note in found.notes if "keeps the aspect" in note]


def test_without_any_size_the_sentence_says_how_to_state_it(folder):
    with pytest.raises(
        PreprocessingError, match=r"state them in the model's entry: preprocessing: \{size: \{height:"
    ):
        ModelFolder(folder).preprocessing()


def test_source_is_asked_with_pixels_in_its_own_colour_order(tmp_path):
    picture = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    assert cv2.imwrite(str(tmp_path / "picture.png"), picture)
    rgb, bgr = (
        source_pixels(tmp_path / "picture.png", derived(YOLO, {"color": order, "scale": 1}))
        for order in ("RGB", "BGR")
    )
    np.testing.assert_array_equal(rgb[:, ::-1], bgr)
    np.testing.assert_array_equal(bgr[0], picture.transpose(2, 0, 1))
