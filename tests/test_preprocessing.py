import json

import numpy as np
import pytest

from dsbench.preprocessing import PreprocessingError, derive_preprocessing, read_preprocessing

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


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (
            {"do_normalize": True, "image_mean": MEAN, "image_std": [0.229, 0.224, 0.225]},
            "differs per channel",
        ),
        ({"do_normalize": True}, "image_mean is None"),
        ({"do_normalize": True, "image_mean": MEAN, "image_std": [0, 0, 0]}, "image_std is 0"),
        ({"do_normalize": True, "image_mean": [0.5], "image_std": STD}, "needs 3 numbers"),
        ({"do_normalize": True, "image_mean": ["a", 1, 2], "image_std": STD}, "needs 3 numbers"),
        ({"rescale_factor": 0}, "rescale_factor is 0"),
        ({"rescale_factor": "1/255"}, "rescale_factor"),
        ({"do_resize": False}, "do_resize is false"),
        ({"do_center_crop": True}, "do_center_crop"),
        ({"do_flip_channel_order": True}, "do_flip_channel_order"),
        ({"do_pad": True, "pad_size": {"height": 800, "width": 800}}, "do_pad"),
        ({"size": 800}, "size is 800"),
        ({"size": {"shortest_edge": 800, "longest_edge": 1333}}, "shortest_edge"),
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
    path.write_text(json.dumps({"size": 5}))
    with pytest.raises(PreprocessingError, match=r"preprocessor_config\.json: size is 5"):
        read_preprocessing(path, False)


@pytest.mark.parametrize("content", ["", "[]", "{"])
def test_file_that_is_no_config_is_refused(tmp_path, content):
    path = tmp_path / "preprocessor_config.json"
    path.write_text(content)
    with pytest.raises(PreprocessingError, match=r"preprocessor_config\.json"):
        read_preprocessing(path, False)
