"""A page to print, a clip to draw in, and the programs that do it."""

import shutil
from fractions import Fraction

import av
import numpy as np
import pytest

from dsbench.machine.runtime import encoder

PAGE = "<!DOCTYPE html><html><head><meta charset='utf-8'></head><body>{}</body></html>"
needs_wkhtmltopdf = pytest.mark.skipif(
    shutil.which("wkhtmltopdf") is None, reason="wkhtmltopdf is not installed"
)
needs_theora = pytest.mark.skipif(
    encoder("embedded")["encoder"] == "skipped", reason="GStreamer's theoraenc is not installed"
)
FRAMES = 12


def make_video(path, width=320, height=180, frames=FRAMES):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(30))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(frames):
            image = np.full((height, width, 3), number * 255 // frames, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())
    return path
