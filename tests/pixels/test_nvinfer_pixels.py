"""How far nvinfer's scaling moves a picture, and what becomes of boxes that reach the frame's lower edge."""

import numpy as np
import pytest

from dsbench.boxes.clustering import on_frame
from dsbench.families.reference_decoders import EDGE_MARGIN
from dsbench.pixels.nvinfer_pixels import content_shift, derived_keys, placement
from dsembed.deepstream_app.app_settings import MuxSettings
from dsembed.deepstream_app.postprocess import mux_struct, network_struct
from dsembed.shared import native
from nvidia_pixels import plain_preprocessing


def measured_shift(surface, preprocessing):
    """Return by how many network pixels ramps over the frame lie too far right, and too far down."""
    mux = MuxSettings(*surface, False)
    network = network_struct(derived_keys(preprocessing), mux, (3, preprocessing.height, preprocessing.width))
    width, height = surface
    picture = (network.picture_width, network.picture_height)
    shifts = []
    for axis in (0, 1):
        ramp = np.round(20 + 200 * (np.arange(surface[axis]) + 0.5) / surface[axis])
        found = []
        for sign in (1, -1):  # what truncation takes off is the same both ways
            values = ramp if sign == 1 else ramp[::-1]
            luma = np.ascontiguousarray(
                np.broadcast_to(values if axis == 0 else values[:, None], (height, width)), np.uint8
            )
            tensor = prepared(luma, mux, network, preprocessing)
            part = tensor[
                1,
                network.picture_top : network.picture_top + picture[1],
                network.picture_left : network.picture_left + picture[0],
            ]
            level = part.mean(axis=axis)[4:-4]
            place = (np.arange(picture[axis]) + 0.5)[4:-4] / picture[axis]
            exact = 255 / 219 * (4 + 200 * (place if sign == 1 else 1 - place))
            found.append((exact - level).mean())
        slope = 255 / 219 * 200 / picture[axis]
        shifts.append((found[0] - found[1]) / 2 / slope)
    return tuple(shifts)


def prepared(luma, mux, network, preprocessing):
    chroma = np.full((luma.shape[0] // 2, luma.shape[1] // 2), 128, np.uint8)
    pointers = (luma.ctypes.data, chroma.ctypes.data, chroma.ctypes.data)
    frame = native.Frame(*pointers, luma.shape[1], chroma.shape[1], 1, *luma.shape[::-1], True, False)
    tensor = np.zeros((3, preprocessing.height, preprocessing.width), np.float32)
    native.load_host().dsembed_prepare(frame, mux_struct(mux), network, tensor.ctypes.data)
    return tensor


@pytest.mark.parametrize("scaling_filter", [0, 1, 2, 3, 6])
@pytest.mark.parametrize("padding", ["none", "corner", "centre"])
@pytest.mark.parametrize("network", [(320, 320), (640, 640), (448, 256), (1920, 1088)])
def test_shift_is_that_of_the_pixels(scaling_filter, padding, network):
    surface, made = (1280, 720), plain_preprocessing(*network, padding, scaling_filter)
    if scaling_filter == 3 and network[0] > surface[0]:
        pytest.skip("the area filter only shrinks")
    assert measured_shift(surface, made) == pytest.approx(placement(made, *surface).shift, abs=0.06)


@pytest.mark.parametrize(
    ("scaling_filter", "source", "target", "shift"),
    [
        (1, 1280, 320, 0.5),
        (1, 320, 1280, 0.5),
        (1, 640, 640, 0.5),
        (0, 1280, 320, 0.375),
        (0, 640, 640, 0.0),
        (0, 320, 640, 0.0),
        (6, 1280, 640, 0.25),
        (2, 1280, 320, 0.0),
        (3, 1280, 320, 0.0),
    ],
)
def test_shift_of_one_axis(scaling_filter, source, target, shift):
    assert content_shift(scaling_filter, source, target) == pytest.approx(shift)


FRAMES = [(1280, 720), (1920, 1080), (3840, 2160), (848, 480), (640, 360), (704, 576)]
NETWORKS = [(320, 320), (416, 416), (640, 640), (960, 544), (1280, 1280), (300, 300)]
BOXES = 10_000


def boxes_to_the_edge(random, place, network_height, margin):
    """Return rows as a parser writes them in float32, all of which reach the picture's lower edge."""
    _, first, _, last = place.edges
    top = random.uniform(first, last - 1, BOXES).astype(np.float32)
    bottom = np.float32(last) - np.float32(network_height) * np.float32(margin)
    rows = np.zeros((BOXES, 6), np.float32)
    rows[:, 2], rows[:, 3], rows[:, 4], rows[:, 5] = top, 10, bottom - top, 0.9
    return rows


@pytest.mark.parametrize("padding", ["none", "corner", "centre"])
@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("network", NETWORKS)
def test_no_box_at_the_pictures_lower_edge_is_lost(frame, network, padding):
    """A million boxes in all; of those that end on the edge itself nvinfer drops some at most of the sizes."""
    place = placement(plain_preprocessing(*network, padding), *frame)
    random = np.random.default_rng(frame[0] + network[0])
    rows = boxes_to_the_edge(random, place, network[1], EDGE_MARGIN)
    assert len(on_frame(rows, place)) == BOXES


@pytest.mark.parametrize(("side", "padding"), [(320, "none"), (416, "centre")])
def test_boxes_on_the_edge_itself_are_lost(side, padding):
    place = placement(plain_preprocessing(side, side, padding), 1280, 720)
    rows = boxes_to_the_edge(np.random.default_rng(1), place, side, 0)
    assert len(on_frame(rows, place)) < BOXES
