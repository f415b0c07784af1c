"""The video with its detections: drawn by DeepStream itself, or drawn in by GStreamer, and still pictures of it."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from io import FileIO
from itertools import chain
from pathlib import Path
from typing import IO, cast

import av
import cv2
import numpy as np

from dsbench.boxes.drawing import class_colours, draw_detections
from dsbench.boxes.fonts import remedy, undrawable
from dsbench.boxes.kitti import Frames
from dsbench.core.errors import BuildError
from dsbench.core.files import scratch_beside, written_beside
from dsbench.core.secret_words import environment_without_tokens
from dsbench.deepstream.app_config import Clip
from dsbench.deepstream.log import check_engine_used
from dsbench.machine.runtime import NVENC, SUFFIXES, THEORA
from dsbench.machine.video import DecodeError, decode_frames, open_container
from dsbench.tools.tool_run import run_tool

ENCODERS = {
    NVENC: (
        *("video/x-raw(memory:NVMM),format=I420", "!", "nvv4l2h264enc", "bitrate=4000000"),
        *("!", "h264parse", "!", "mp4mux"),
    ),
    THEORA: (
        *("video/x-raw,format=I420", "!", "theoraenc", "quality=48", "drop-frames=false"),
        *("!", "oggmux"),
    ),
}
STILLS = ("frame_first.jpg", "frame_middle.jpg", "frame_last.jpg")
PROGRESS_INTERVAL_S = 10.0
# 30000/1001 and its kind are the rates with the largest parts that cameras have.
LARGEST_DENOMINATOR = 1001


def record_detections(
    clip: Clip,
    frames: int,
    nvinfer_config: Path,
    encoder: str,
    destination: Path,
    timeout_s: float,
    log: Path,
    facts: dict[str, str],
) -> None:
    """Play the clip once through nvinfer and nvdsosd into the file `destination`; `encoder` is the marker.

    The file appears only when the engine was loaded and all `frames` of the clip are in it.
    """
    if encoder not in ENCODERS:
        raise VideoError(
            f"{destination}: no usable encoder; install GStreamer's theoraenc and oggmux, or use NVENC"
        )
    destination.parent.mkdir(parents=True, exist_ok=True)
    with scratch_beside(destination) as folder:
        encoded = folder / f"video.{SUFFIXES[encoder]}"
        run_tool(video_command(clip, nvinfer_config, encoder, encoded), log, facts, nvinfer_config, timeout_s)
        check_engine_used(log.read_text(errors="replace"), log)
        try:
            found = count_frames(encoded)
        except (av.error.FFmpegError, OSError) as error:
            raise VideoError(f"{encoded.name}: {error}; gst-launch's words are in {log}") from error
        if found != frames:
            raise VideoError(
                f"{log}: {found} frames in the encoded video, expected the clip's {frames}; its words say why"
            )
        os.replace(encoded, destination)


def video_command(clip: Clip, nvinfer_config: Path, encoder: str, destination: Path) -> list[str]:
    """Return the command; gst-launch parses its arguments again, so the paths must be plain, as below models/."""
    return [
        *("gst-launch-1.0", "-q", "-e"),
        *("uridecodebin", f"uri={clip.uri}", "!", "nvvideoconvert"),
        *("!", "video/x-raw(memory:NVMM),format=NV12", "!", "mux.sink_0"),
        *("nvstreammux", "name=mux", "batch-size=1", f"width={clip.width}", f"height={clip.height}"),
        *("batched-push-timeout=-1", "!", "nvinfer", f"config-file-path={nvinfer_config}"),
        *("!", "nvvideoconvert", "!", "video/x-raw(memory:NVMM),format=RGBA", "!", "nvdsosd"),
        *("!", "nvvideoconvert", "!", *ENCODERS[encoder], "!", "filesink", f"location={destination}"),
    ]


class VideoError(BuildError):
    """A video that cannot be read, drawn on or encoded."""


def record_overlay(
    video: Path,
    frames_per_s: float,
    kitti_by_frame: Frames,
    destination: Path,
    log: Path,
    muxer_size: tuple[int, int] | None = None,
) -> str:
    """Write `video` with its detections drawn in to the .ogv file `destination`; return the encoder's mark.

    `kitti_by_frame` comes from `kitti.read_directory`, its boxes in pixels of `muxer_size` (width, height),
    which is None where the stream muxer kept the video's own size. GStreamer's words go to `log`. The file
    appears only when it decodes to as many frames as went into it; each is shown as long as the others.
    """
    destination.parent.mkdir(parents=True, exist_ok=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    with scratch_beside(destination) as folder:
        encoded = folder / "overlay.ogv"
        try:
            written = _encode(video, frames_per_s, kitti_by_frame, encoded, log, muxer_size)
            found = count_frames(encoded)
        except DecodeError as error:
            raise VideoError(f"{error}; name another video.") from error
        except (av.error.FFmpegError, OSError) as error:
            raise VideoError(f"{video}: {error}; GStreamer's words are in {log}.") from error
        if written == 0 or found != written:
            raise VideoError(
                f"{video}: {written} frames went into the encoder, {found} came out; "
                f"GStreamer's words are in {log}."
            )
        os.replace(encoded, destination)
    return THEORA


def extract_frames(video: Path, destination: Path) -> list[Path]:
    """Write three JPEGs, from the middle of each third of `video`; return their paths in order."""
    total = count_frames(video)
    if total == 0:
        raise VideoError(f"{video}: no frame can be decoded; make the video again.")
    wanted = list(zip((total // 6, total // 2, total * 5 // 6), STILLS, strict=True))
    destination.mkdir(parents=True, exist_ok=True)
    with _open_video(video) as container:
        for number, frame in enumerate(container.decode(video=0)):
            for name in (name for index, name in wanted if index == number):
                _write_jpeg(frame.to_ndarray(format="bgr24"), destination / name)
    return [destination / name for name in STILLS]


def _encode(
    video: Path,
    frames_per_s: float,
    kitti_by_frame: Frames,
    destination: Path,
    log: Path,
    muxer_size: tuple[int, int] | None,
) -> int:
    """Draw and encode every frame; return their number."""
    frames = decode_frames(video, loop=False)
    first = next(frames)
    # I420 halves the colour planes, so an odd last row or column is cut.
    width, height = first.width & ~1, first.height & ~1
    rate = Fraction(frames_per_s).limit_denominator(LARGEST_DENOMINATOR)
    colours = class_colours(kitti_by_frame)
    if missing := undrawable("".join(colours)):
        print(f"video: {remedy(missing)}.", file=sys.stderr, flush=True)
    written = 0
    # A broken pipe means that GStreamer gave up; its exit status and log say why.
    with (
        # Unbuffered: the encoder writes behind what stands there.
        log.open("wb", buffering=0) as output,
        contextlib.suppress(BrokenPipeError),
        subprocess.Popen(
            _launch_command(width, height, rate, destination.name),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            cwd=destination.parent,
            env=environment_without_tokens(),
        ) as encoder,
    ):
        pipe = cast(IO[bytes], encoder.stdin)
        for number, frame in enumerate(_progress(chain([first], frames), len(kitti_by_frame), output)):
            image = frame.to_ndarray(format="bgr24")
            box_space = muxer_size or (image.shape[1], image.shape[0])
            draw_detections(image, kitti_by_frame.get(number, []), box_space, colours)
            pipe.write(cv2.cvtColor(image[:height, :width], cv2.COLOR_BGR2YUV_I420).data)
            written += 1
    if encoder.returncode != 0:
        raise VideoError(
            f"gst-launch-1.0 exited with {encoder.returncode} after {written} frames; its words are in {log}."
        )
    return written


def _launch_command(width: int, height: int, rate: Fraction, name: str) -> list[str]:
    # gst-launch parses its arguments again, so `name` must be plain; the folder is the working directory.
    # rawvideoparse assumes padded rows, ours are packed.
    return [
        *("gst-launch-1.0", "-q", "-e", "fdsrc", "fd=0", "!", "rawvideoparse", "format=i420"),
        *(f"width={width}", f"height={height}", f"framerate={rate.numerator}/{rate.denominator}"),
        f"plane-strides=<{width},{width // 2},{width // 2}>",
        f"plane-offsets=<0,{width * height},{width * height * 5 // 4}>",
        *("!", "theoraenc", "quality=48", "drop-frames=false", "!", "oggmux", "!"),
        *("filesink", f"location={name}"),
    ]


def _open_video(video: Path) -> av.container.InputContainer:
    try:
        container = open_container(video)
    except (av.error.FFmpegError, OSError) as error:
        raise VideoError(f"{video}: not a readable video ({error}); give a video file.") from error
    if not container.streams.video:
        container.close()
        raise VideoError(f"{video}: holds no video stream; give a video file.")
    container.streams.video[0].thread_type = "AUTO"
    return container


def count_frames(video: Path) -> int:
    """Return how many frames of `video` can be decoded."""
    with _open_video(video) as container:
        return sum(1 for _ in container.decode(video=0))


def _progress(
    frames: Iterator[av.VideoFrame], total: int, log: IO[bytes] | FileIO
) -> Iterator[av.VideoFrame]:
    """Yield `frames`, telling `log` now and then how many are done; `total` is 0 where it is unknown."""
    due_s = time.monotonic() + PROGRESS_INTERVAL_S
    for number, frame in enumerate(frames):
        if time.monotonic() >= due_s:
            log.write(f"video: frame {number} of {total or 'an unknown number'}\n".encode())
            due_s += PROGRESS_INTERVAL_S
        yield frame


def _write_jpeg(image: np.ndarray, path: Path) -> None:
    encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
    with written_beside(path) as partial:
        partial.write_bytes(encoded.tobytes())
