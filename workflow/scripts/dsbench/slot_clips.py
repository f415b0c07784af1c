"""Two short videos with different pictures, for runs that put different videos into the slots of a batch."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from dsbench.nvinfer_pixels import decoded, spread
from dsbench.whole_file import written_beside

FRAMES_PER_S = 30
CODEC = "libx264"
# One thread, so that the bytes do not depend on how many cores the job has.
OPTIONS = {"crf": "18", "preset": "veryfast", "threads": "1"}


def write_slot_clips(video: Path, total: int, frames: int, clip: Path, mirrored: Path) -> None:
    """Write at most `frames` of the video's `total` frames, from all over it, to `clip`; mirrored to the other."""
    pictures = [_even(frame.to_ndarray(format="rgb24")) for _, frame in decoded(video, spread(total, frames))]
    with written_beside(clip) as partial:
        _encode(pictures, partial)
    with written_beside(mirrored) as partial:
        _encode([picture[:, ::-1] for picture in pictures], partial)


def _even(picture: np.ndarray) -> np.ndarray:
    """Return the picture without an odd last row or column, which 4:2:0 video cannot have."""
    height, width, _ = picture.shape
    return picture[: height & ~1, : width & ~1]


def _encode(pictures: Sequence[np.ndarray], file: Path) -> None:
    with av.open(str(file), "w") as container:
        stream = container.add_stream(CODEC, rate=Fraction(FRAMES_PER_S), options=OPTIONS)
        stream.pix_fmt = "yuv420p"
        stream.height, stream.width, _ = pictures[0].shape
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
