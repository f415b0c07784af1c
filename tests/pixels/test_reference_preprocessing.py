import numpy as np
import pytest

from dsbench.families.family import PixelRule
from dsbench.pixels.graph_resize import family_matrices
from dsbench.pixels.image_processor import PreprocessingError, SizeError, network_size
from dsbench.pixels.reference_preprocessing import Picture, family_pixels, processor_pixels, processor_size

# Left half red, right half blue.
RED_AND_BLUE = np.zeros((90, 160, 3), np.uint8)
RED_AND_BLUE[:, :80, 0] = 200
RED_AND_BLUE[:, 80:, 2] = 100
SIZE = {"size": {"height": 40, "width": 40}}


@pytest.mark.parametrize(
    ("config", "frame", "made"),
    [
        ({"size": {"shortest_edge": 800, "longest_edge": 1333}}, (720, 1280), (750, 1333)),
        ({"size": {"shortest_edge": 800, "longest_edge": 1333}}, (1280, 720), (1333, 750)),
        ({"size": {"shortest_edge": 800, "longest_edge": 1333}}, (480, 640), (800, 1066)),
        ({"size": 800, "max_size": 1333}, (720, 1280), (750, 1333)),
        ({"size": 800}, (720, 1280), (800, 1422)),
        ({"size": {"longest_edge": 800}}, (720, 1280), (450, 800)),
        (
            {
                "size": {"shortest_edge": 512, "longest_edge": 1333},
                "image_processor_type": "YolosImageProcessor",
            },
            (720, 1280),
            (512, 896),
        ),
        ({"size": 768, "image_processor_type": "OwlViTFeatureExtractor"}, (720, 1280), (768, 768)),
        (SIZE, (720, 1280), (40, 40)),
    ],
)
def test_size_of_a_frame_is_the_processors_and_for_16_to_9_the_networks(config, frame, made):
    assert processor_size(config, *frame) == made
    if frame == (720, 1280):
        assert network_size(config)[:2] == made


def test_a_size_that_limits_no_edge_is_refused_in_a_sentence():
    with pytest.raises(SizeError, match="size limits neither edge; expected edges in whole pixels above 0"):
        network_size({"size": {"shortest_edge": None, "longest_edge": None}})


def test_channels_are_rescaled_and_normalised_one_by_one():
    config = SIZE | {"do_normalize": True, "image_mean": [0.1, 0.2, 0.3], "image_std": [0.5, 0.25, 2.0]}
    found = processor_pixels(RED_AND_BLUE, config, False, (40, 40))
    np.testing.assert_allclose(found.tensor[:, 20, 5], [(200 / 255 - 0.1) / 0.5, -0.8, -0.15])
    np.testing.assert_allclose(found.tensor[:, 20, 35], [-0.2, -0.8, (100 / 255 - 0.3) / 2])
    np.testing.assert_allclose(found.level, [2 / 255, 4 / 255, 0.5 / 255])


@pytest.mark.parametrize(("default", "red"), [(False, 200 / 255), (True, (200 / 255 - 0.5) / 0.5)])
def test_processors_default_decides_where_do_normalize_is_not_said(default, red):
    config = SIZE | {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    assert processor_pixels(RED_AND_BLUE, config, default, (40, 40)).tensor[0, 20, 5] == pytest.approx(red)


def test_owlv2_pads_grey_to_a_square_and_normalises_the_padding_too():
    config = SIZE | {"image_processor_type": "Owlv2ImageProcessor", "resample": 2}
    found = processor_pixels(RED_AND_BLUE, config, False, (40, 40))
    assert found.picture == Picture(0, 0, 40, 22)
    np.testing.assert_allclose(found.tensor[:, 35], 0.5)
    np.testing.assert_allclose(found.tensor[:, 5, 5], [200 / 255, 0, 0], atol=1e-9)
    stretched = processor_pixels(RED_AND_BLUE, config | {"do_pad": False}, False, (40, 40))
    assert stretched.picture == Picture(0, 0, 40, 40)
    np.testing.assert_allclose(stretched.tensor[:, 35, 5], [200 / 255, 0, 0], atol=1e-9)


@pytest.mark.parametrize(
    ("padding", "picture"),
    [
        ("none", Picture(0, 0, 40, 40)),
        ("corner", Picture(0, 0, 40, 22)),
        ("centre", Picture(0, 9, 40, 22)),
    ],
)
def test_family_rule_pads_black_where_it_says(padding, picture):
    found = family_pixels(RED_AND_BLUE, PixelRule(padding=padding), (40, 40))
    assert found.picture == picture
    inside = picture.inside(found.tensor)
    np.testing.assert_allclose(inside[:, 0, 5], [200 / 255, 0, 0])
    assert found.tensor.sum() == pytest.approx(inside.sum())


def test_family_rule_for_bgr_has_mean_and_std_in_the_networks_order():
    rule = PixelRule(color="BGR", scale=1.0, mean=(10.0, 20.0, 30.0), std=(2.0, 4.0, 5.0))
    found = family_pixels(RED_AND_BLUE, rule, (40, 40))
    np.testing.assert_allclose(found.tensor[:, 20, 5], [-5, -5, 34])
    np.testing.assert_allclose(found.level, [0.5, 0.25, 0.2])


def test_boxes_leave_the_padding_for_pixels_of_the_frame():
    corners = np.array([[0.0, 9.0, 40.0, 31.0], [10.0, 20.0, 20.0, 40.0]])
    found = Picture(0, 9, 40, 22).to_frame(corners, 160, 88)
    np.testing.assert_allclose(found, [[0, 0, 160, 88], [40, 44, 80, 88]])


@pytest.mark.parametrize("padding", ["corner", "centre"])
@pytest.mark.parametrize(("frame", "left"), [((2, 1920), "640x0"), ((1920, 2), "0x640")])
def test_a_frame_of_which_a_letterbox_leaves_nothing_is_refused(padding, frame, left):
    rgb, rule = np.zeros((*frame, 3), np.uint8), PixelRule(padding=padding)
    says = f"leaves {left} pixels of a frame of {frame[1]}x{frame[0]} in a network of 640x640"
    with pytest.raises(PreprocessingError, match=says):
        family_pixels(rgb, rule, (640, 640))
    with pytest.raises(PreprocessingError, match=says):
        family_matrices(rule, (640, 640), frame)
    assert family_pixels(rgb, PixelRule(), (640, 640)).tensor.shape == (3, 640, 640)
