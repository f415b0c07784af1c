"""Renders the demonstration clip and its KITTI ground truth."""

import argparse
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from streetscene.actors import LABELS
from streetscene.scene import Frame, Scene
from streetscene.street import HEIGHT_PX, WIDTH_PX

HERE = Path(__file__).parent
# No training or held-out scene has this seed; nobody in it jumps between these 300 frames.
CLIP_SEED, START_S = 90_000_255, 14.0
FRAMES, FRAMES_PER_S = 300, 30
BT709 = 1
X264 = {
    "crf": "22",
    "preset": "slow",
    "tune": "fastdecode",
    "g": "30",
    "x264-params": "scenecut=0:colorprim=bt709:transfer=bt709:colormatrix=bt709:fullrange=off",
}


def kitti_lines(frame: Frame) -> str:
    """Return the truth of a frame, a line of 16 fields per box as deepstream-app writes them."""
    return "".join(
        f"{LABELS[label]} 0.0 0 0.0 {' '.join(f'{edge:.6f}' for edge in box)}{' 0.0' * 7} 1.000000\n"
        for label, box in zip(frame.labels, frame.boxes, strict=True)
    )


def open_stream(container: av.container.OutputContainer) -> av.VideoStream:
    """Add an H.264 stream, 1280x720 at 30 FPS, marked as BT.709 of limited range."""
    stream = container.add_stream("libx264", rate=FRAMES_PER_S, options=X264)
    stream.width, stream.height, stream.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
    context = stream.codec_context
    context.time_base = Fraction(1, FRAMES_PER_S)
    context.thread_count = 1
    context.color_primaries = context.color_trc = context.colorspace = BT709
    context.color_range = ColorRange.MPEG
    return stream


def picture(image: np.ndarray, index: int) -> av.VideoFrame:
    """Return a BGR image as frame `index`, converted to yuv420p with the BT.709 matrix."""
    frame = av.VideoFrame.from_ndarray(image, format="bgr24").reformat(
        format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
    )
    frame.pts, frame.time_base = index, Fraction(1, FRAMES_PER_S)
    return frame


def render(clip: Path, kitti: Path) -> None:
    """Write the clip and, into folder `kitti`, one text file per frame."""
    kitti.mkdir(parents=True, exist_ok=True)
    scene = Scene(CLIP_SEED)
    with av.open(str(clip), "w", options={"movflags": "+faststart"}) as container:
        stream = open_stream(container)
        for index in range(FRAMES):
            frame = scene.frame(START_S + index / FRAMES_PER_S)
            (kitti / f"00_000_{index:06d}.txt").write_text(kitti_lines(frame))
            container.mux(stream.encode(picture(frame.image, index)))
        container.mux(stream.encode(None))


def main() -> None:
    """Render to the paths given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clip", type=Path, default=HERE / "sample_720p.mp4")
    parser.add_argument("--kitti", type=Path, default=HERE / "sample_720p_kitti")
    options = parser.parse_args()
    render(options.clip, options.kitti)


if __name__ == "__main__":
    main()
