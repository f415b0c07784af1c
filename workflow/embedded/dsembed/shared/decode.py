"""Decodes video files frame by frame, without copying 8-bit pictures."""

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

import av
from av.error import FFmpegError, InvalidDataError
from av.sidedata.sidedata import Type
from av.stream import Disposition

from dsembed.shared.native import Frame

PLANAR_FORMATS = ("yuv420p", "yuvj420p")
INTERLEAVED_FORMAT = "nv12"
# What NVDEC decodes beside 8 bits, by FFmpeg's names: HEVC alone.
DEEP_FORMATS = {"hevc": {"yuv420p10le": 10, "yuv420p12le": 12}}
# FFmpeg's AVColorSpace and AVColorRange.
BT709, UNSPECIFIED, BT601 = 1, 2, (4, 5, 6)
FULL_RANGE = 2
# Pictures without a flag: high definition is BT.709, as players take it.
TALLEST_BT601 = 576
# NVDEC decodes no larger picture (NVDEC Application Note of the Video Codec SDK 13.0): HEVC and VP9 since Pascal, H.264
# on Blackwell alone. FFmpeg reserves memory for what a header claims.
LARGEST_SIDE_PX = 8192
# FFmpeg reserves some for each track too.
MOST_TRACKS = 64

# What clips come in, and sound and pictures so that they can be told; none of them plays another file.
CONTAINERS = (
    *(
        "mov",
        "matroska",
        "avi",
        "mpegts",
        "mpeg",
        "flv",
        "ogg",
        "asf",
        "mxf",
        "nut",
        "gxf",
        "dv",
        "wtv",
        "rm",
        "swf",
    ),
    *("h264", "hevc", "vvc", "av1", "obu", "ivf", "m4v", "mpegvideo", "h263", "vc1", "mjpeg", "yuv4mpegpipe"),
    *("wav", "mp3", "aac", "flac", "ac3", "aiff", "gif", "apng", "ico", "jpeg_pipe", "png_pipe", "webp_pipe"),
    *("bmp_pipe", "tiff_pipe", "ppm_pipe", "jpegxl_pipe", "j2k_pipe", "svg_pipe", "psd_pipe", "exr_pipe"),
)


class DecodeError(Exception):
    """A file that cannot be read or decoded; `headline` is what GStreamer says first."""

    headline = "Internal data stream error."


class OpenError(DecodeError):
    """A file that cannot be opened as a video."""

    headline = "Could not open resource for reading."


def decode_frames(path: Path, loop: bool) -> Iterator[av.VideoFrame]:
    """Yield the pictures of the file's film in display order with 8 bits, from the start again if `loop`.

    They are those that DeepStream shows: neither turned by a display matrix nor what an edit list cuts off.
    Raises OpenError for a file that is no video, DecodeError for one that breaks off or has no picture.
    """
    with _opened(path) as container:
        try:
            stream = films_of(container)[0]
            # Streams are decoded side by side, so threads within one would only compete with inference.
            stream.codec_context.thread_count = 1
            while True:
                count = 0
                for frame in shown_frames(packets_of(container, stream)):
                    count += 1
                    yield with_8_bits(frame, stream.codec_context.name)
                if count == 0:
                    raise DecodeError(f"{path}: no picture could be decoded")
                if not loop:
                    return
                container.seek(0)
        except (FFmpegError, OSError) as error:
            raise DecodeError(
                f"{path}: {error.strerror}, expected a video file that FFmpeg can decode"
            ) from error


def _opened(path: Path) -> av.container.InputContainer:
    """Return the open file; raises OpenError for one that is no video."""
    try:
        container = open_container(path)
    except (FFmpegError, OSError) as error:
        raise OpenError(f"{path}: {error.strerror}, expected a video file that FFmpeg can decode") from error
    film = film_of(container)
    if film is None or not is_decodable(film):
        container.close()
        raise OpenError(f"{path}: no video stream that FFmpeg can decode, expected one")
    return container


def open_container(path: Path) -> av.container.InputContainer:
    """Return the open file, one of CONTAINERS; FFmpeg opens no other file, whatever this one names.

    Of more than MOST_TRACKS tracks it opens none, and it decodes no picture of more than LARGEST_SIDE_PX ** 2 pixels.
    Raises what PyAV raises.
    """
    only = {
        "protocol_whitelist": "file",
        "format_whitelist": ",".join(CONTAINERS),
        "max_streams": str(MOST_TRACKS),
    }
    pixels = {"max_pixels": str(LARGEST_SIDE_PX**2)}
    # With the protocol before it, a name such as concat:a.mp4 is a name.
    container = av.open(f"file:{path}", options=pixels, container_options=only, metadata_errors="replace")
    for stream in filter(is_decodable, container.streams.video):
        stream.codec_context.options = pixels
    return container


def is_decodable(stream: av.VideoStream) -> bool:
    """Return whether FFmpeg has a decoder for the stream."""
    return stream.codec_context is not None


def films_of(container: av.container.InputContainer) -> list[av.VideoStream]:
    """Return the video streams that are no cover pictures, which demuxers of GStreamer take for tags."""
    return [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]


def film_of(container: av.container.InputContainer) -> av.VideoStream | None:
    """Return the video stream that is played."""
    return next(iter(films_of(container)), None)


def packets_of(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[av.Packet]:
    """Yield the stream's packets, behind them an empty one, at which its decoder gives what it has kept."""
    try:
        yield from container.demux(stream)
    except IndexError:
        # PyAV 18.1 raises it behind the last packet where a stream began in the middle of the file.
        return


def shown_frames(packets: Iterable[av.Packet]) -> Iterator[av.VideoFrame]:
    """Yield the pictures as coded, from the first that can be decoded; raises FFmpegError after it.

    What a recording has before its first key frame is passed over, as a hardware decoder does.
    """
    has_begun = False
    for packet in packets:
        try:
            frames = packet.decode()
        except InvalidDataError:
            if has_begun:
                raise
            continue
        has_begun = has_begun or bool(frames)
        yield from frames


def turn_of(frame: av.VideoFrame) -> str:
    """Return how the frame's display matrix turns it, in words; empty where it does not."""
    # PyAV takes the type, which its own type hints leave out.
    matrix = frame.side_data.get(Type.DISPLAYMATRIX)  # type: ignore[call-overload]
    if matrix is None:
        return ""
    a, b, _, c, d, *_ = struct.unpack("9i", bytes(matrix))
    if a * d - b * c < 0:
        return "mirrored"
    return f"turned by {-round(frame.rotation) % 360} degrees clockwise" if b or c or a < 0 else ""


def with_8_bits(frame: av.VideoFrame, codec: str) -> av.VideoFrame:
    """Return the frame, its samples cut to 8 bits where the codec's deeper ones can be played."""
    depth = DEEP_FORMATS.get(codec, {}).get(frame.format.name)
    if depth is None:
        return frame
    # Not above: a dry run looks at clips, and has no need of it.
    import numpy as np

    cut = av.VideoFrame(frame.width, frame.height, "yuv420p")
    for deep, plane in zip(frame.planes, cut.planes, strict=True):
        rows = np.zeros((plane.height, plane.line_size), np.uint8)
        # PyAV's hints leave out that a plane is a buffer and takes one.
        levels = np.frombuffer(deep, np.uint16)  # type: ignore[call-overload]
        samples = levels.reshape(deep.height, -1)[:, : plane.width]
        rows[:, : plane.width] = samples >> (depth - 8)
        plane.update(rows)  # type: ignore[arg-type]
    cut.pts, cut.time_base = frame.pts, frame.time_base
    cut.colorspace, cut.color_range = frame.colorspace, frame.color_range
    return cut


def frame_view(frame: av.VideoFrame) -> Frame:
    """Return the planes of `frame`, valid while it lives; raises DecodeError for other than 8-bit 4:2:0."""
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
        raise DecodeError(f"pixel format {name} is not supported, convert the video to 8-bit 4:2:0 (yuv420p)")
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
        raise DecodeError(
            f"colour matrix {colour_space} (AVColorSpace) is not supported, only BT.601 and BT.709"
        )
    return colour_space == BT709
