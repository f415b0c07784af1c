"""The fused preprocessing against NumPy, level by level."""

import ctypes
from fractions import Fraction
from types import SimpleNamespace

import av
import numpy as np
import pytest

from dsembed.deepstream_app.app_settings import MuxSettings
from dsembed.deepstream_app.postprocess import mux_struct, network_struct
from dsembed.shared import native
from dsembed.shared.decode import DecodeError, decode_frames, frame_view
from nvidia_pixels import rgb_of, scaled, through_rgb

F32 = np.float32
SETTINGS = {
    "maintain_aspect_ratio": False,
    "symmetric_padding": False,
    "bgr": False,
    "scaling_filter": 1,
    "scale_factor": 0.017,
    "offsets": (123.5, 116.25, 103.0),
}


@pytest.fixture(scope="module")
def host():
    return native.load_host()


def random_planes(width: int, height: int) -> list[np.ndarray]:
    rng = np.random.default_rng(width)
    chroma = ((height + 1) // 2, (width + 1) // 2)
    return [rng.integers(0, 256, shape, dtype=np.uint8) for shape in ((height, width), chroma, chroma)]


def frame_of(planes: list[np.ndarray], bt709: bool = True, full_range: bool = False) -> native.Frame:
    planes = [np.ascontiguousarray(plane) for plane in planes]
    luma, chroma, _ = planes
    pointers = [plane.ctypes.data for plane in planes]
    strides = (luma.strides[0], chroma.strides[0])
    frame = native.Frame(*pointers, *strides, 1, *luma.shape[::-1], bt709, full_range)
    frame.memory = planes
    return frame


def prepared(host, frame, mux: MuxSettings, dims: tuple, **changes) -> np.ndarray:
    settings = SimpleNamespace(**{**SETTINGS, **changes})
    network = network_struct(settings, mux, dims)
    tensor = np.full(dims, np.nan, F32)
    host.dsembed_prepare(frame, mux_struct(mux), network, tensor.ctypes.data)
    return tensor


def reference(planes, dims, picture, bt709=True, full_range=False, scaling_filter=1, bgr=False) -> np.ndarray:
    """Return 8-bit channel values [3, H, W]; black outside `picture` (left, top, width, height)."""
    left, top, columns, rows = picture
    colours = rgb_of(scaled(planes, columns, rows, scaling_filter), bt709, full_range).transpose(2, 0, 1)
    values = np.zeros(dims)
    values[:, top : top + (rows & ~1), left : left + (columns & ~1)] = colours[::-1] if bgr else colours
    return values


def assert_prepared(tensor: np.ndarray, values: np.ndarray) -> None:
    offsets = np.array(SETTINGS["offsets"])[:, None, None]
    np.testing.assert_allclose(tensor / SETTINGS["scale_factor"] + offsets, values, atol=1e-3)


@pytest.mark.parametrize("size", [(64, 48), (96, 40), (67, 45)])
@pytest.mark.parametrize("bt709", [True, False])
@pytest.mark.parametrize("full_range", [True, False])
@pytest.mark.parametrize("bgr", [True, False])
def test_colour_and_order(host, size, bt709, full_range, bgr):
    planes, dims = random_planes(*size), (3, 32, 32)
    tensor = prepared(host, frame_of(planes, bt709, full_range), MuxSettings(*size, False), dims, bgr=bgr)
    assert_prepared(tensor, reference(planes, dims, (0, 0, 32, 32), bt709, full_range, bgr=bgr))


ASPECTS = [
    ((96, 40), False, (0, 0, 32, 13)),
    ((96, 40), True, (0, 9, 32, 13)),
    ((40, 96), False, (0, 0, 13, 32)),
    ((80, 96), True, (3, 0, 26, 32)),
    ((40, 96), True, (9, 0, 13, 32)),
    ((64, 64), True, (0, 0, 32, 32)),
]


@pytest.mark.parametrize(("size", "symmetric", "picture"), ASPECTS)
def test_aspect_ratio_is_kept_with_black_padding(host, size, symmetric, picture):
    planes, dims = random_planes(*size), (3, 32, 32)
    changes = {"maintain_aspect_ratio": True, "symmetric_padding": symmetric}
    tensor = prepared(host, frame_of(planes), MuxSettings(*size, False), dims, **changes)
    assert_prepared(tensor, reference(planes, dims, picture))


def test_nearest_filter_takes_single_samples(host):
    planes, dims = random_planes(90, 50), (3, 32, 48)
    tensor = prepared(host, frame_of(planes), MuxSettings(90, 50, False), dims, scaling_filter=0)
    assert_prepared(tensor, reference(planes, dims, (0, 0, 48, 32), scaling_filter=0))


def test_interleaved_chroma_is_the_same_picture(host):
    planes, mux, dims = random_planes(64, 48), MuxSettings(64, 48, False), (3, 32, 32)
    interleaved = np.ascontiguousarray(np.stack(planes[1:], axis=-1))
    pointers = (planes[0].ctypes.data, interleaved.ctypes.data, interleaved.ctypes.data + 1)
    nv12 = native.Frame(*pointers, 64, 64, 2, 64, 48, True, False)
    expected = prepared(host, frame_of(planes), mux, dims)
    np.testing.assert_array_equal(prepared(host, nv12, mux, dims), expected)


def flat_planes(width: int, height: int, y: int, cb: int, cr: int) -> list[np.ndarray]:
    shapes = ((height, width), *[((height + 1) // 2, (width + 1) // 2)] * 2)
    return [np.full(shape, value, np.uint8) for shape, value in zip(shapes, (y, cb, cr), strict=True)]


def test_mux_stretches_other_sizes_to_its_surface(host):
    planes, dims = flat_planes(40, 24, 90, 100, 180), (3, 16, 16)
    stretched = prepared(host, frame_of(planes), MuxSettings(64, 64, False), dims)
    surface = through_rgb(flat_planes(64, 64, 90, 100, 180), bt709=True)
    flat = prepared(host, frame_of(surface), MuxSettings(64, 64, False), dims)
    np.testing.assert_array_equal(stretched, flat)


@pytest.mark.parametrize("bt709", [True, False])
def test_mux_scales_as_nvbufsurftransform_does(host, bt709):
    planes = random_planes(64, 48)
    surface = through_rgb(scaled(planes, 40, 64, 1), bt709)
    mux = MuxSettings(40, 64, False)
    found, direct = (prepared(host, frame_of(some, bt709), mux, (3, 16, 16)) for some in (planes, surface))
    np.testing.assert_array_equal(found, direct)


@pytest.mark.parametrize("size", [(1, 1), (1, 8), (2, 2), (3, 5)])
@pytest.mark.parametrize("scaling_filter", [0, 1, 2])
def test_frame_of_hardly_a_pixel_is_scaled(host, size, scaling_filter):
    planes = flat_planes(*size, 235, 128, 128)
    for mux in (MuxSettings(16, 16, False), MuxSettings(2, 2, False)):
        tensor = prepared(
            host, frame_of(planes), mux, (3, 16, 16), offsets=(0, 0, 0), scaling_filter=scaling_filter
        )
        np.testing.assert_allclose(tensor, 255 * SETTINGS["scale_factor"], rtol=1e-5)


def test_mux_padding_centres_the_picture_between_black_bars(host):
    planes, dims = flat_planes(32, 64, 235, 128, 128), (3, 64, 64)
    mux = MuxSettings(64, 64, True)
    tensor = prepared(host, frame_of(planes), mux, dims, offsets=(0, 0, 0), scaling_filter=0)
    white = np.isclose(tensor, 255 * SETTINGS["scale_factor"])
    assert white[:, :, 16:48].all()
    np.testing.assert_array_equal(tensor[:, :, :16], 0)
    np.testing.assert_array_equal(tensor[:, :, 48:], 0)


def clip(path, colour_space: str | None, height: int, pixel_format: str = "yuv420p"):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(30))
        stream.width, stream.height, stream.pix_fmt = 64, height, pixel_format
        stream.options = {"x264-params": f"colormatrix={colour_space}"} if colour_space else {}
        picture = np.full((height, 64, 3), 90, np.uint8)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize(
    ("colour_space", "height", "bt709"),
    [("bt709", 64, True), ("smpte170m", 720, False), (None, 720, True), (None, 576, False)],
)
def test_colour_matrix_is_the_flagged_one_else_by_height(tmp_path, colour_space, height, bt709):
    frame = next(decode_frames(clip(tmp_path / "a.mp4", colour_space, height), loop=False))
    view = frame_view(frame)
    assert (view.bt709, view.width, view.height, view.chroma_step) == (bt709, 64, height, 1)
    luma = ctypes.string_at(view.luma, 64)
    assert luma == bytes(frame.planes[0])[:64]


def test_other_pixel_formats_are_refused(tmp_path):
    frame = next(decode_frames(clip(tmp_path / "a.mp4", None, 64, "yuv444p"), loop=False))
    with pytest.raises(DecodeError, match="pixel format yuv444p is not supported"):
        frame_view(frame)


def test_looped_file_starts_again(tmp_path):
    frames = decode_frames(clip(tmp_path / "a.mp4", None, 64), loop=True)
    assert [next(frames).pts for _ in range(3)] == [0, 0, 0]


@pytest.mark.parametrize("content", [None, b"", b"not a video" * 100])
def test_file_that_is_no_video_is_refused(tmp_path, content):
    path = tmp_path / "a.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DecodeError, match=r"a\.mp4: "):
        next(decode_frames(path, loop=False))


def test_surface_beyond_all_memory_is_an_error_not_an_abort(host):
    planes = random_planes(64, 48)
    network = network_struct(SimpleNamespace(**SETTINGS), MuxSettings(64, 48, False), (3, 16, 16))
    tensor = np.zeros((3, 16, 16), F32)
    huge = native.Mux(2**30, 2**30, False)
    with pytest.raises(native.HostError, match="no memory"):
        host.dsembed_prepare(frame_of(planes), huge, network, tensor.ctypes.data)


@pytest.mark.parametrize(
    ("value", "command"), [("env g++", ["env", "g++"]), ("'g++' -m64", ["g++", "-m64"]), (" ", ["g++"])]
)
def test_cxx_may_hold_a_launcher_and_options(monkeypatch, tmp_path, value, command):
    started = []
    monkeypatch.setenv("CXX", value)
    monkeypatch.setattr(native, "BUILD_DIR", tmp_path)
    monkeypatch.setattr(native, "_compile", lambda compiler, *_: started.append(compiler))
    native._compiled()
    assert started == [command]


@pytest.mark.parametrize("value", ["g++ 'x", "no-such-compiler -O1"])
def test_cxx_that_is_no_command_is_named(monkeypatch, value):
    monkeypatch.setenv("CXX", value)
    with pytest.raises(native.HostError, match=value.split()[0].replace("+", r"\+")):
        native._compiled()
