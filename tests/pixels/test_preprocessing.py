import json

import numpy as np
import pytest

from dsbench.core.errors import BuildError
from dsbench.families.declared import family_named
from dsbench.families.family import PixelRule
from dsbench.onnx.model_onnx import ModelFolder
from dsbench.pixels.image_processor import PreprocessingError, ProcessorError, read_processor
from dsbench.pixels.preprocessing import as_levels, derive_preprocessing, with_size

SIZE = {"size": {"height": 320, "width": 640}}
MEAN = [0.485, 0.456, 0.406]
STD = [0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    ("config", "scale", "offsets"),
    [
        ({}, 1 / 255, None),
        ({"do_normalize": False, "image_mean": MEAN, "image_std": STD}, 1 / 255, None),
        ({"rescale_factor": 0.5}, 0.5, None),
        ({"do_rescale": False}, 1.0, None),
        ({"do_normalize": True, "image_mean": MEAN, "image_std": STD}, 2 / 255, (123.675, 116.28, 103.53)),
        (
            {"do_rescale": False, "do_normalize": True, "image_mean": [1, 2, 3], "image_std": [4, 4, 4]},
            0.25,
            (1, 2, 3),
        ),
    ],
)
def test_scale_and_offsets_follow_the_flags(config, scale, offsets):
    preprocessing = derive_preprocessing(SIZE | config, do_normalize_default=False)
    assert preprocessing.net_scale_factor == pytest.approx(scale)
    assert preprocessing.offsets == (offsets if offsets is None else pytest.approx(offsets))


def test_nvinfers_arithmetic_equals_the_processors_for_all_levels():
    config = SIZE | {"do_normalize": True, "image_mean": MEAN, "image_std": STD}
    preprocessing = derive_preprocessing(config, do_normalize_default=False)
    levels = np.arange(256)[:, None]
    expected = (levels / 255 - MEAN) / STD
    np.testing.assert_allclose(
        preprocessing.net_scale_factor * (levels - np.array(preprocessing.offsets)), expected, atol=1e-7
    )


def test_std_that_differs_per_channel_is_left_to_the_graph_exactly():
    std = [0.229, 0.224, 0.225]
    config = SIZE | {"do_normalize": True, "image_mean": MEAN, "image_std": std}
    preprocessing = derive_preprocessing(config, do_normalize_default=False)
    assert preprocessing.folded_std == tuple(std)
    levels = np.arange(256)[:, None]
    from_nvinfer = preprocessing.net_scale_factor * (levels - np.array(preprocessing.offsets))
    np.testing.assert_allclose(from_nvinfer / std, (levels / 255 - MEAN) / std, atol=1e-7)
    assert any("the ONNX divides by it" in note for note in preprocessing.notes)


@pytest.mark.parametrize(
    ("kind", "size", "chosen"),
    [
        ("DetrImageProcessor", {"shortest_edge": 800, "longest_edge": 1333}, (750, 1333)),
        ("DetrFeatureExtractor", 800, (800, 1422)),
        ("DetrImageProcessor", {"shortest_edge": 1000, "longest_edge": 1000}, (562, 1000)),
        ("DetrImageProcessor", {"longest_edge": 800}, (450, 800)),
        ("DetrImageProcessor", {"shortest_edge": 256, "longest_edge": 320}, (180, 320)),
        ("YolosImageProcessor", {"shortest_edge": 800, "longest_edge": 1333}, (736, 1328)),
        ("YolosImageProcessor", {"shortest_edge": 512, "longest_edge": 1333}, (512, 896)),
        ("OwlViTFeatureExtractor", 768, (768, 768)),
    ],
)
def test_size_that_keeps_the_aspect_is_fixed_for_16_to_9(kind, size, chosen):
    preprocessing = derive_preprocessing({"image_processor_type": kind, "size": size}, False)
    assert (preprocessing.height, preprocessing.width) == chosen
    noted = any("keeps the aspect" in note for note in preprocessing.notes)
    assert noted == (not kind.startswith("Owl"))


def test_legacy_max_size_is_the_longest_edge():
    config = {"image_processor_type": "DetrFeatureExtractor", "size": 800, "max_size": 1333}
    assert derive_preprocessing(config, False).width == 1333


def test_owlv2_pads_to_its_square_at_the_bottom_right():
    config = {"image_processor_type": "Owlv2ImageProcessor", "size": {"height": 960, "width": 960}}
    preprocessing = derive_preprocessing(config, False)
    assert preprocessing.maintain_aspect_ratio and not preprocessing.symmetric_padding
    assert not derive_preprocessing(config | {"do_pad": False}, False).maintain_aspect_ratio


def test_crop_to_the_size_itself_changes_nothing():
    config = SIZE | {"do_center_crop": True, "crop_size": SIZE["size"]}
    assert derive_preprocessing(config, False).height == 320


def test_size_that_is_fixed_in_the_graph_wins_and_is_noted():
    preprocessing = with_size(derive_preprocessing(SIZE, False), (96, 128))
    assert (preprocessing.height, preprocessing.width) == (96, 128)
    assert "96x128" in preprocessing.notes[-1]
    assert with_size(preprocessing, (0, 0)) is preprocessing


def test_absent_do_normalize_takes_the_processor_class_default():
    values = {"image_mean": MEAN, "image_std": STD}
    assert derive_preprocessing(SIZE | values, do_normalize_default=True).offsets is not None


def test_frame_is_stretched_to_the_size_in_rgb():
    preprocessing = derive_preprocessing(SIZE, do_normalize_default=False)
    assert (preprocessing.height, preprocessing.width) == (320, 640)
    assert preprocessing.model_color_format == "RGB"
    assert not preprocessing.maintain_aspect_ratio and not preprocessing.symmetric_padding


def test_bicubic_is_noted():
    assert any("resample 3" in note for note in derive_preprocessing(SIZE | {"resample": 3}, False).notes)
    assert not any(
        "resample" in note for note in derive_preprocessing(SIZE | {"resample": None}, False).notes
    )


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"do_normalize": True}, "image_mean is None"),
        ({"do_normalize": True, "image_mean": MEAN, "image_std": [0, 0, 0]}, "image_std is 0"),
        ({"do_normalize": True, "image_mean": [0.5], "image_std": STD}, "needs 3 numbers"),
        ({"do_normalize": True, "image_mean": ["a", 1, 2], "image_std": STD}, "needs 3 numbers"),
        ({"rescale_factor": 0}, "rescale_factor is 0"),
        ({"rescale_factor": "1/255"}, "rescale_factor"),
        ({"do_resize": False}, "do_resize is false"),
        ({"resample": "bilinear"}, "resample is 'bilinear'"),
        ({"resample": 6}, "resample is 6"),
        ({"do_center_crop": True}, "do_center_crop"),
        ({"do_pad": True, "pad_size": {"height": 800, "width": 800}}, "do_pad"),
        ({"size": [30, 30]}, "size is"),
        ({"size": {"shortest_edge": 800.5}}, "whole pixels"),
        ({"size": {"longest_edge": 0}}, "whole pixels"),
        ({"do_center_crop": True, "crop_size": 300}, "do_center_crop"),
        ({"size": {"height": 0, "width": 640}}, "size is"),
        ({"size": None}, "size is None"),
    ],
)
def test_what_nvinfer_cannot_do_is_refused(config, reason):
    with pytest.raises(PreprocessingError, match=reason):
        derive_preprocessing(SIZE | config, do_normalize_default=False)


def test_padding_to_the_same_size_changes_nothing():
    config = SIZE | {"do_pad": True, "pad_size": SIZE["size"]}
    assert derive_preprocessing(config, False).height == 320


def test_error_names_the_file(tmp_path):
    path = tmp_path / "preprocessor_config.json"
    path.write_text(json.dumps({"size": "5"}))
    with pytest.raises(PreprocessingError, match=r"preprocessor_config\.json: size is '5'"):
        ModelFolder(tmp_path, (path.name, "model.onnx")).preprocessing()


@pytest.mark.parametrize("content", ["", "[]", "{"])
def test_file_that_is_no_config_is_refused(tmp_path, content):
    path = tmp_path / "preprocessor_config.json"
    path.write_text(content)
    with pytest.raises(ProcessorError, match="expected"):
        read_processor(path)


def test_a_network_that_takes_bytes_gets_the_levels_as_they_are():
    for given in (
        derive_preprocessing(SIZE, False),
        derive_preprocessing(None, None, PixelRule(mean=(0.5,) * 3), graph_size=(320, 640)),
        derive_preprocessing(SIZE, None, PixelRule(mean=(0.5,) * 3), {"color": "BGR"}),
    ):
        levels = as_levels(given)
        assert (levels.net_scale_factor, levels.offsets, levels.folded_std) == (1.0, None, None)
        assert (levels.height, levels.width) == (320, 640)
        assert "as bytes (uint8)" in levels.notes[-1]


def test_a_mean_that_bytes_cannot_hold_is_refused():
    says = "subtracts a mean, but the ONNX takes its image as bytes"
    with pytest.raises(PreprocessingError, match=says):
        as_levels(derive_preprocessing(SIZE | {"image_mean": MEAN, "image_std": STD}, True))
    with pytest.raises(PreprocessingError, match=says):
        as_levels(derive_preprocessing(SIZE, None, PixelRule(), {"mean": MEAN}))


NAN, INFINITE = float("nan"), float("inf")
WRONG = {
    "size": [
        *(None, 0, -1, 1.5, "640", True, [], [640, 640], {}, {"height": 0, "width": 640}, {"height": 640}),
        *({"shortest_edge": 0}, {"longest_edge": "x"}, {"shortest_edge": None, "longest_edge": None}),
    ],
    "rescale_factor": [None, 0, -1, "1/255", NAN, INFINITE, [1], True],
    "image_mean": [None, 0.5, [], [0.5], [0.1] * 4, ["a", "b", "c"], [NAN] * 3, [INFINITE, 0, 0], [[1]] * 3],
    "image_std": [None, 0.5, [], [0, 1, 1], [-1, 1, 1], [NAN, 1, 1], [INFINITE] * 3, [None] * 3],
    "resample": [-1, 6, 2.5, "bilinear", True, [2], NAN],
    "do_resize": [False, None, 0, "no"],
    "do_center_crop": [True, "yes", 1],
}


@pytest.mark.parametrize("key", WRONG)
@pytest.mark.parametrize("kind", [None, "RTDetrImageProcessor", "YolosImageProcessor", "Owlv2ImageProcessor"])
def test_a_wrong_value_ends_in_a_sentence_that_names_its_key(key, kind):
    right = SIZE | {"do_normalize": True, "image_mean": MEAN, "image_std": STD, "image_processor_type": kind}
    derive_preprocessing(right, None)
    for value in WRONG[key]:
        with pytest.raises(PreprocessingError, match=key.replace("image_", "")):
            derive_preprocessing(right | {key: value}, None)


@pytest.mark.parametrize("sides", [(0, 640), (20_000, 640), (16_384, 16_384)])
def test_a_network_or_a_frame_of_an_absurd_size_is_refused_before_any_pixel(tmp_path, sides):
    settings = {"size": {"height": sides[0], "width": sides[1]}}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "rt_detr"}))
    folder = ModelFolder.of([tmp_path / "config.json", tmp_path / "preprocessor_config.json"])
    with pytest.raises(BuildError, match=r"size is|is 640x20000, expected|is 16384x16384, expected"):
        folder.preprocessing((0, 0), family_named("rt_detr"))
    with pytest.raises(BuildError, match="the frame that the ONNX is to resize is"):
        folder.resize_matrices((640, 640), family_named("rt_detr"), sides)
