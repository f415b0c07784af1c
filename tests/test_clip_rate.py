from fractions import Fraction

import av
import numpy as np
import pytest

from dsbench.clip import frame_rate
from dsbench.errors import BuildError


def clip(path, rate):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width = stream.height = 64
        for _ in range(5):
            picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize(("rate", "found"), [(25, 25.0), (Fraction(30000, 1001), 29.97), (60, 60.0)])
def test_frame_rate_is_what_the_clip_states(tmp_path, rate, found):
    assert frame_rate(clip(tmp_path / "clip.mp4", rate)) == found


def test_file_that_is_no_video_is_named(tmp_path):
    (tmp_path / "clip.mp4").write_text("text")
    with pytest.raises(BuildError, match=r"clip\.mp4: not a video that can be read"):
        frame_rate(tmp_path / "clip.mp4")
