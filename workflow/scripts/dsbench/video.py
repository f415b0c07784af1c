"""What a clip holds, and single frames of it."""

from pathlib import Path

import av
import cv2

from dsbench.errors import BuildError
from dsbench.file_hashes import sha256_of
from dsbench.whole_file import written_beside

# FFmpeg reads pictures, and even text, as very short videos.
MIN_FRAMES = 30


def inspect_video(file: Path) -> dict:
    """Return size, frame rate (frames/s), frame count and SHA-256; frames are counted by demuxing."""
    try:
        with av.open(str(file)) as container:
            if not container.streams.video:
                raise BuildError(f"{file}: no video stream in it")
            stream = container.streams.video[0]
            frames = sum(1 for packet in container.demux(stream) if packet.size)
            if frames < MIN_FRAMES:
                raise BuildError(
                    f"{file}: {frames} frames, expected a video of at least {MIN_FRAMES}; name another"
                )
            return {
                "sha256": sha256_of(file),
                "codec": stream.codec_context.name,
                "width": stream.codec_context.width,
                "height": stream.codec_context.height,
                "fps": float(stream.average_rate),
                "frames": frames,
                "duration_s": frames / float(stream.average_rate),
            }
    except av.error.FFmpegError as error:
        raise BuildError(f"{file}: not a video that can be read ({error.strerror})") from None


def save_frame(file: Path, index: int, destination: Path) -> None:
    """Write frame `index` of `file` as an image."""
    with av.open(str(file)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number == index:
                with written_beside(destination) as partial:
                    cv2.imwrite(str(partial), frame.to_ndarray(format="bgr24"))
                return
    raise BuildError(f"{file}: has no frame {index}")
