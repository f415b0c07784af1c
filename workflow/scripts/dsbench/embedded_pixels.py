"""Frames of a clip, and the tensor nvinfer makes of one: computed by the embedded runtime's own C++."""

import sys
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np

from dsbench.errors import BuildError
from dsbench.preprocessing import Preprocessing
from dsbench.reference_preprocessing import Picture

# The embedded runtime is a package of its own beside this one.
sys.path.append(str(Path(__file__).resolve().parents[2] / "embedded"))

from dsembed import native
from dsembed.app_settings import MuxSettings
from dsembed.declared_keys import RefusedError
from dsembed.decode import SourceError, decode_frames, frame_view
from dsembed.postprocess import mux_struct, network_struct


def spread_frames(video: Path, frames: int, count: int) -> list[tuple[int, av.VideoFrame]]:
    """Return the middle frame of each of `count` parts of a video of `frames` frames, with its number."""
    wanted = {(2 * part + 1) * frames // (2 * count) for part in range(count)}
    try:
        decoded = zip(range(max(wanted) + 1), decode_frames(video, loop=False), strict=False)
        found = [(index, frame) for index, frame in decoded if index in wanted]
    except SourceError as error:
        raise BuildError(f"{error}; name another video") from error
    if len(found) < len(wanted):
        raise BuildError(f"{video}: it has {frames} frames, but they end before number {max(wanted)} decodes")
    return found


def rgb_of(frame: av.VideoFrame) -> np.ndarray:
    """Return FFmpeg's uint8 RGB [h, w, 3] of a frame, by the colour matrix that the runtime takes for it."""
    matrix = "ITU709" if frame_view(frame).bt709 else "ITU601"
    return frame.reformat(format="rgb24", src_colorspace=matrix).to_ndarray()


class NvinferPixels:
    """What nvinfer makes of frames with one set of keys; the muxer keeps the frames' own size."""

    def __init__(self, preprocessing: Preprocessing, width: int, height: int):
        """Set up for frames of `width` x `height` pixels; raises BuildError where nothing of them would be left."""
        self._dims = (3, preprocessing.height, preprocessing.width)
        keys = SimpleNamespace(
            maintain_aspect_ratio=preprocessing.maintain_aspect_ratio,
            symmetric_padding=preprocessing.symmetric_padding,
            bgr=preprocessing.model_color_format == "BGR",
            bilinear=True,
            scale_factor=preprocessing.net_scale_factor,
            offsets=preprocessing.offsets or (0.0, 0.0, 0.0),
        )
        surface = MuxSettings(width, height, enable_padding=False)
        try:
            self._host = native.load_host()
            self._network = network_struct(keys, surface, self._dims)
        except (native.HostError, RefusedError) as error:
            raise BuildError(str(error)) from error
        self._surface = mux_struct(surface)
        network = self._network
        self.picture = Picture(
            network.picture_left, network.picture_top, network.picture_width, network.picture_height
        )

    def tensor(self, frame: av.VideoFrame) -> np.ndarray:
        """Return float32 [3, height, width], as the engine gets it."""
        pixels = np.empty(self._dims, np.float32)
        self._host.dsembed_prepare(frame_view(frame), self._surface, self._network, pixels.ctypes.data)
        return pixels
