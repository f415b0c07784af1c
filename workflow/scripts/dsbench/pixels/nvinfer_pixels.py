"""Frames of a clip as the tensors nvinfer makes of them: the embedded runtime's own decoding and arithmetic."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from math import gcd
from pathlib import Path

import av
import numpy as np

from dsbench.core.errors import BuildError
from dsbench.families.family import NO_SHIFT, Edges, Shift
from dsbench.machine.video import (  # before dsembed, which it makes importable
    DecodeError,
    decode_frames,
    frame_view,
)
from dsbench.pixels.preprocessing import Preprocessing
from dsbench.pixels.reference_preprocessing import Picture
from dsembed.deepstream_app.app_settings import MuxSettings
from dsembed.deepstream_app.nvinfer_settings import PixelSettings
from dsembed.deepstream_app.postprocess import mux_struct, network_struct
from dsembed.shared import native
from dsembed.shared.declared_keys import RefusedError

BILINEAR, NEAREST = 1, (0, 6)


@dataclass(frozen=True)
class Placement:
    """Where a frame lies in the network's input, all in pixels; the frame's are those of the stream muxer.

    `shift` is how far NvBufSurfTransform's scaling moves the frame's content beyond that.
    """

    left: int
    top: int
    width: int
    height: int
    frame_width: int
    frame_height: int
    shift: Shift = NO_SHIFT

    @property
    def edges(self) -> Edges:
        """The picture's left, top, right and bottom edge."""
        return (self.left, self.top, self.left + self.width, self.top + self.height)


def content_shift(scaling_filter: int, source: int, target: int) -> float:
    """Return how many target pixels the content of an axis lies too far right, or down.

    Bilinear (1) has no half-pixel centre in the target: half a pixel, at any scale. Nearest (0 and 6) takes sample
    floor(i * source / target), whose centre is on average so much before the exact place. Cubic (2) and area (3)
    are right.
    """
    if scaling_filter == BILINEAR:
        return 0.5
    if scaling_filter in NEAREST:
        return 0.5 - 0.5 * gcd(source, target) / source
    return 0.0


def derived_keys(preprocessing: Preprocessing) -> PixelSettings:
    """Return the derived preprocessing as the host reads it; ValueError where it has no filter yet."""
    if preprocessing.scaling_filter is None:
        raise ValueError(
            "the preprocessing has no scaling filter: read_proven() gives it the one that was chosen"
        )
    return PixelSettings(
        scale_factor=preprocessing.net_scale_factor,
        offsets=preprocessing.offsets or (0.0, 0.0, 0.0),
        bgr=preprocessing.model_color_format == "BGR",
        maintain_aspect_ratio=preprocessing.maintain_aspect_ratio,
        symmetric_padding=preprocessing.symmetric_padding,
        scaling_filter=preprocessing.scaling_filter,
    )


def placement(preprocessing: Preprocessing, width: int, height: int) -> Placement:
    """Return where frames of `width` x `height` pixels lie in the network's input."""
    return _place(_network(preprocessing, MuxSettings(width, height, False)), width, height)


def _network(preprocessing: Preprocessing, mux: MuxSettings) -> native.Network:
    dims = (3, preprocessing.height, preprocessing.width)
    try:
        return network_struct(derived_keys(preprocessing), mux, dims)
    except RefusedError as error:
        raise BuildError(str(error)) from error


def _place(network: native.Network, width: int, height: int) -> Placement:
    return Placement(
        left=network.picture_left,
        top=network.picture_top,
        width=network.picture_width,
        height=network.picture_height,
        frame_width=width,
        frame_height=height,
        shift=(
            content_shift(network.scaling_filter, width & ~1, network.picture_width),
            content_shift(network.scaling_filter, height & ~1, network.picture_height),
        ),
    )


def box_place(preprocessing: Preprocessing, width: int, height: int) -> tuple[Shift, Edges]:
    """Return how far frames of `width` x `height` pixels lie aside, and their edges, in the model's own network."""
    place = placement(preprocessing, width, height)
    if preprocessing.in_graph is None:
        return place.shift, place.edges
    left, top, columns, rows = preprocessing.in_graph.picture
    ratio_x, ratio_y = columns / preprocessing.width, rows / preprocessing.height
    return (place.shift[0] * ratio_x, place.shift[1] * ratio_y), (left, top, left + columns, top + rows)


class NetworkInput:
    """The network's input for frames of one size, `width` x `height` pixels."""

    def __init__(self, preprocessing: Preprocessing, width: int, height: int):
        self.dims = (3, preprocessing.height, preprocessing.width)
        mux = MuxSettings(width, height, False)
        try:
            self.host = native.load_host()
            self.network = _network(preprocessing, mux)
        except native.HostError as error:
            raise BuildError(str(error)) from error
        self.mux = mux_struct(mux)

    def place(self) -> Placement:
        """Return where a frame lies in the input."""
        return _place(self.network, self.mux.width, self.mux.height)

    @property
    def picture(self) -> Picture:
        """Where a frame lies in the input, as the reference preprocessing says it."""
        place = self.place()
        return Picture(place.left, place.top, place.width, place.height, place.shift)

    def tensor(self, frame: av.VideoFrame) -> np.ndarray:
        """Return the frame as float32 [1, 3, H, W]."""
        tensor = np.empty((1, *self.dims), np.float32)
        try:
            self.host.dsembed_prepare(frame_view(frame), self.mux, self.network, tensor.ctypes.data)
        except (native.HostError, DecodeError) as error:
            raise BuildError(str(error)) from error
        return tensor


def decoded_frames(video: Path, numbers: Collection[int]) -> Iterator[tuple[int, av.VideoFrame]]:
    """Yield the frames of these numbers in order; raise BuildError where the clip ends before the last."""
    last = max(numbers)
    try:
        for number, frame in enumerate(decode_frames(video, loop=False)):
            if number in numbers:
                yield number, frame
            if number == last:
                return
    except DecodeError as error:
        raise BuildError(f"{error}; name another video") from error
    raise BuildError(f"{video}: ended before frame {last}; the clip has changed since it was inspected.")


def grey_frames(video: Path, numbers: Collection[int]) -> Iterator[tuple[int, np.ndarray]]:
    """Yield number and levels, uint8 [height, width], of these frames in order."""
    for number, frame in decoded_frames(video, numbers):
        yield number, frame.to_ndarray(format="gray")


def middle_frames(video: Path, total: int, count: int) -> list[tuple[int, av.VideoFrame]]:
    """Return the middle frame of each of `count` parts of a video of `total` frames, with its number."""
    return list(decoded_frames(video, {(2 * part + 1) * total // (2 * count) for part in range(count)}))


def rgb_of(frame: av.VideoFrame) -> np.ndarray:
    """Return FFmpeg's uint8 RGB [h, w, 3] of a frame, by the colour matrix that the runtime takes for it."""
    matrix = "ITU709" if frame_view(frame).bt709 else "ITU601"
    return frame.reformat(format="rgb24", src_colorspace=matrix).to_ndarray()


def evenly_spread(total: int, most: int) -> range:
    """Return at most `most` of `total` frame numbers, evenly over all of them from 0 on."""
    return range(0, total, -(-total // most))
