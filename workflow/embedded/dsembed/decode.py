"""Decodes video files frame by frame, without copying pictures."""

from collections.abc import Iterator
from pathlib import Path

import av
from av.error import FFmpegError

from dsembed.native import Frame

PLANAR_FORMATS = ("yuv420p", "yuvj420p")
INTERLEAVED_FORMAT = "nv12"
# FFmpeg's AVColorSpace and AVColorRange.
BT709, UNSPECIFIED, BT601 = 1, 2, (4, 5, 6)
FULL_RANGE = 2
# Pictures without a flag: high definition is BT.709, as players take it.
TALLEST_BT601 = 576


class SourceError(Exception):
    """A file that cannot be read or decoded; `headline` is what GStreamer says first."""

    headline = "Internal data stream error."


class OpenError(SourceError):
    """A file that cannot be opened as a video."""

    headline = "Could not open resource for reading."


def decode_frames(path: Path, loop: bool) -> Iterator[av.VideoFrame]:
    """Yield the pictures of the file's first video stream in display order, from the start again if `loop`.

    Raises OpenError for a file that is no video, SourceError for one that breaks off or has no picture.
    """
    with _opened(path) as container:
        try:
            stream = container.streams.video[0]
            # Streams are decoded side by side, so threads within one would only compete with inference.
            stream.codec_context.thread_count = 1
            while True:
                count = 0
                for packet in container.demux(stream):
                    for frame in packet.decode():
                        count += 1
                        yield frame
                if count == 0:
                    raise SourceError(f"{path}: no picture could be decoded")
                if not loop:
                    return
                container.seek(0)
        except (FFmpegError, OSError) as error:
            raise SourceError(
                f"{path}: {error.strerror}, expected a video file that FFmpeg can decode"
            ) from error


def _opened(path: Path) -> av.container.InputContainer:
    try:
        container = av.open(str(path))
    except (FFmpegError, OSError) as error:
        raise OpenError(f"{path}: {error.strerror}, expected a video file that FFmpeg can decode") from error
    if not container.streams.video:
        container.close()
        raise OpenError(f"{path}: no video stream, expected one")
    return container


def frame_view(frame: av.VideoFrame) -> Frame:
    """Return the planes of `frame`, valid while it lives; raises SourceError for other than 8-bit 4:2:0."""
    planes = frame.planes
    name = frame.format.name
    if name in PLANAR_FORMATS:
        (cb, chroma_stride), cr, step = (planes[1].buffer_ptr, planes[1].line_size), planes[2].buffer_ptr, 1
    elif name == INTERLEAVED_FORMAT:
        (cb, chroma_stride), cr, step = (
            (planes[1].buffer_ptr, planes[1].line_size),
            planes[1].buffer_ptr + 1,
            2,
        )
    else:
        raise SourceError(f"pixel format {name} is not supported, convert the video to 8-bit 4:2:0 (yuv420p)")
    height = frame.height
    return Frame(
        planes[0].buffer_ptr,
        cb,
        cr,
        planes[0].line_size,
        chroma_stride,
        step,
        frame.width,
        height,
        _is_bt709(int(frame.colorspace), height),
        int(frame.color_range) == FULL_RANGE or name == "yuvj420p",
    )


def _is_bt709(colour_space: int, height: int) -> bool:
    if colour_space == UNSPECIFIED:
        return height > TALLEST_BT601
    if colour_space != BT709 and colour_space not in BT601:
        raise SourceError(
            f"colour matrix {colour_space} (AVColorSpace) is not supported, only BT.601 and BT.709"
        )
    return colour_space == BT709
