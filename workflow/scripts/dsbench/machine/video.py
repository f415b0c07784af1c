"""What a clip shows: every frame decoded once, by the embedded runtime's decoder, before anything is built on it."""

import re
import shlex
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
from av.error import ArgumentError, FFmpegError

from dsbench.core.files import sha256_of, written_beside
from dsbench.machine.clip import COPIED, ENCODED, NAME_IT, RECORDED_S, ClipError, ClipFacts, remade
from dsbench.machine.frame_rates import frame_rates

# Modules that import dsembed themselves import this one before.
sys.path.append(str(Path(__file__).parents[3] / "embedded"))

from dsembed.shared.bounds import memory_growth
from dsembed.shared.decode import (
    DEEP_FORMATS,
    INTERLEAVED_FORMAT,
    LARGEST_SIDE_PX,
    MOST_TRACKS,
    PLANAR_FORMATS,
    DecodeError,
    decode_frames,
    films_of,
    frame_view,
    is_decodable,
    open_container,
    packets_of,
    shown_frames,
    turn_of,
    with_8_bits,
)

# FFmpeg reads pictures, and even text, as very short videos.
MIN_FRAMES = 30
PICTURE_FORMATS = re.compile(r"image2|gif|apng|ico|webp\w*|\w+_pipe")
PICTURE_CODECS = ("mjpeg", "png")
HEAD_BYTES, MOST_BOXES = 4096, 1000
PLAYLISTS = ("#EXTM3U", "ffconcat", "[playlist]", "[Reference]", "<?xml", "<MPD", "<smil", "v=0")
LONGEST_SHOWN = 60
UNTURNED = "-display_rotation 0 "  # ffmpeg's option before its input: show it as coded.
SQUARE_WITHIN = Fraction(1, 50)  # Encoders round; television's own shapes, such as 16:15, differ by more.
# Taken by opening and decoding a clip, whose index claims any length; 16 threads take 2 GiB for 8192x4320 with 10 bits.
LARGEST_MEMORY_BYTES = 4 << 30
MEMORY_WORDS = f"{LARGEST_MEMORY_BYTES >> 30} GiB of memory"
# Nine hours of 30 frames/s; a file of a few MB can name that many.
MOST_PACKETS, LONGEST_DECODING_S = 1_000_000, 3600
# What every NVDEC decodes.
SMALLER = "-vf scale=3840:3840:force_original_aspect_ratio=decrease:force_divisible_by=2"
HDR = (16, 18)  # HDR10 and HLG among FFmpeg's transfers.
# A file that states its length may be this much shorter: of the last frame some do not say how long it stays.
UNSTATED_S = 1


@dataclass
class Shown:
    """The frames seen so far: what they have in common, and their `times` in units of `time_base`."""

    video: Path
    codec: str
    time_base: Fraction
    packets: int = 0
    size: tuple[int, int] = (0, 0)
    pixel_format: str = ""
    times: list[int | None] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def encoded(self, mark: str, *filters: str, more: str = "") -> str:
        """Return the command that encodes the clip again, through these of ffmpeg's filters."""
        width, height = self.size
        if width % 2 or height % 2:
            # What encodes 4:2:0 takes no odd size.
            filters = (*filters, "crop=trunc(iw/2)*2:trunc(ih/2)*2")
        options = f"-vf {shlex.quote(','.join(filters))} " if filters else ""
        return remade(self.video, f"{options}{more}{ENCODED}", mark)

    def add(self, frame: av.VideoFrame) -> None:
        """Take the next frame; raise ClipError for one that would not be shown as it is meant."""
        number = len(self.times)
        if number == 0:
            self.size, self.pixel_format = (frame.width, frame.height), frame.format.name
            self._refuse_first(frame)
        if (frame.width, frame.height) != self.size:
            width, height = self.size
            command = self.encoded("one_size", f"scale={width}:{height}", "setsar=1")
            raise ClipError(
                f"{self.video}: frame {number} is {frame.width}x{frame.height}, the frames before it are"
                f" {width}x{height}; make all of one size with {command} {NAME_IT}"
            )
        if frame.format.name != self.pixel_format:
            raise ClipError(
                f"{self.video}: frame {number} has the pixel format {frame.format.name}, the frames before it have"
                f" {self.pixel_format}; make all alike with {self.encoded('alike')} {NAME_IT}"
            )
        if frame.interlaced_frame:
            raise ClipError(
                f"{self.video}: frame {number} is interlaced, and what DeepStream makes of its two half pictures is"
                f" not documented; join them with {self.encoded('progressive', 'yadif')} {NAME_IT}"
            )
        if frame.is_corrupt:
            raise ClipError(self.broken("is damaged"))
        self.times.append(frame.pts)

    def take_packet(self, packet: av.Packet) -> None:
        """Count the packet; raise ClipError where more came, or took longer, than a clip may have."""
        self.packets += bool(packet.size)
        took_s = time.monotonic() - self.began
        if self.packets > MOST_PACKETS or took_s > LONGEST_DECODING_S:
            command = remade(self.video, f"-t {RECORDED_S} {COPIED}", "begin")
            raise ClipError(
                f"{self.video}: {self.packets} coded pictures in {took_s:.0f} s and not at its end, expected at most"
                f" {MOST_PACKETS} that are decoded within {LONGEST_DECODING_S} s; keep its beginning with {command}"
                f" {NAME_IT}"
            )

    def undecodable(self, error: FFmpegError | MemoryError) -> str:
        """Return the sentence on the next frame, at which the decoder gave up."""
        if isinstance(error, MemoryError):
            return f"{self.video}: frame {len(self.times)} needs more than {MEMORY_WORDS}; {_smaller(self.video)}"
        if isinstance(error, ArgumentError):
            return self.broken(f"is damaged, or larger than {LARGEST_SIDE_PX}x{LARGEST_SIDE_PX} pixels")
        return self.broken(f"cannot be decoded ({error.strerror})")

    def broken(self, what: str) -> str:
        """Return the sentence on the next frame, of which there is no picture that can be relied on."""
        number = len(self.times)
        if number < MIN_FRAMES:
            return (
                f"{self.video}: frame {number} {what}, too few are before it to measure with; record it again"
            )
        command = self.encoded("whole", more=f"-frames:v {number} ")
        return f"{self.video}: frame {number} {what}; keep the frames before it with {command} {NAME_IT}"

    def cut_off(self) -> str:
        """Return the sentence on a file that ends too early."""
        return (
            f"{self.video}: cut off: it ends before the last frames that its head names; keep the whole ones with"
            f" {self.encoded('whole')} {NAME_IT}"
        )

    def _refuse_first(self, frame: av.VideoFrame) -> None:
        """Refuse what holds for the whole clip: samples and colours that runtimes differ in, pictures to be turned."""
        video, codec = self.video, self.codec
        _refuse_large(video, *self.size)
        if frame.format.name not in {*PLANAR_FORMATS, INTERLEAVED_FORMAT, *DEEP_FORMATS.get(codec, ())}:
            raise ClipError(
                f"{video}: its pixels are {frame.format.name} in {codec}, and DeepStream is sure to play only 4:2:0"
                f" with 8 bits, in HEVC with 10 or 12 too; convert it with {self.encoded('8bit')} {NAME_IT}"
            )
        if turn := turn_of(frame):
            raise ClipError(
                f"{video}: a note in it says to show it {turn}, which deepstream-app does not do: every object would"
                f" lie the wrong way; turn the pictures themselves with {self.encoded('upright')} {NAME_IT}, or, where"
                f" the cameras to come hang like that too, drop the note with"
                f" {remade(video, COPIED, 'as_coded', UNTURNED)}"
            )
        try:
            frame_view(with_8_bits(frame, codec))
        except DecodeError as error:
            command = self.encoded("bt709", "scale=out_color_matrix=bt709", more="-colorspace bt709 ")
            pale = "; HDR makes that pale: record without it" if int(frame.color_trc) in HDR else ""
            raise ClipError(f"{video}: {error}; convert it with {command} {NAME_IT}{pale}") from None


def look_at(video: Path) -> None:
    """Raise ClipError for what the file's head and its first frame tell; no other frame is decoded."""
    with _begun(video) as (_, frames, shown):
        for frame in frames:
            shown.add(frame)
            return
    raise ClipError(_no_picture(video))


def inspect_video(video: Path, shown_as: str) -> ClipFacts:
    """Return what the clip shows, which a report names `shown_as`.

    Every frame is decoded; ClipError names the first one that DeepStream would not show as it is meant, and what to
    do.
    """
    with _begun(video) as (container, frames, shown):
        for frame in frames:
            shown.add(frame)
        if not shown.times:
            raise ClipError(_no_picture(video))
        stream = films_of(container)[0]
        _refuse_cut_index(shown, stream)
        if len(shown.times) < MIN_FRAMES:
            raise ClipError(
                f"{video}: {len(shown.times)} frames, expected a video of at least {MIN_FRAMES}; name another"
            )
        rates = frame_rates(video, shown.times, shown.time_base, stream.average_rate)
        _refuse_missing_end(shown, container, stream, rates.duration_s)
    return ClipFacts(
        file=shown_as,
        path=str(video),
        sha256=sha256_of(video),
        codec=shown.codec,
        pixel_format=shown.pixel_format,
        bits=DEEP_FORMATS.get(shown.codec, {}).get(shown.pixel_format, 8),
        width=shown.size[0],
        height=shown.size[1],
        frames=len(shown.times),
        packets=shown.packets,
        **vars(rates),
    )


def save_frame(file: Path, index: int, destination: Path) -> None:
    """Write frame `index` of `file` as an image."""
    for number, frame in enumerate(decode_frames(file, loop=False)):
        if number == index:
            with written_beside(destination) as partial:
                frame.save(partial)
            return
    raise ClipError(f"{file}: has no frame {index}")


@contextmanager
def _begun(video: Path) -> Iterator[tuple[av.container.InputContainer, Iterator[av.VideoFrame], Shown]]:
    """Yield the open file, its frames still to be decoded and what has been seen of them; refuse what is no film."""
    _refuse_text(video)
    with memory_growth(LARGEST_MEMORY_BYTES), _opened(video) as container:
        stream = _film(video, container)
        if stream.time_base is None:
            raise ClipError(
                f"{video}: its film states no unit of time, so no frame has a time; name another video"
            )
        shown = Shown(video, stream.codec_context.name, stream.time_base)
        _refuse_cut_index(shown, stream)
        stream.thread_type = "AUTO"
        yield container, _decoded(shown, container, stream), shown


def _opened(video: Path) -> av.container.InputContainer:
    try:
        return open_container(video)
    except (FFmpegError, OSError, MemoryError) as error:
        raise ClipError(_unreadable(video, error)) from None


def _decoded(
    shown: Shown, container: av.container.InputContainer, stream: av.VideoStream
) -> Iterator[av.VideoFrame]:
    def counted() -> Iterator[av.Packet]:
        for packet in packets_of(container, stream):
            shown.take_packet(packet)
            yield packet

    try:
        yield from shown_frames(counted())
    except (FFmpegError, MemoryError) as error:
        _refuse_cut_index(shown, stream)
        raise ClipError(shown.undecodable(error)) from None


def _refuse_text(video: Path) -> None:
    """Refuse playlists before FFmpeg opens what they name, and any other text."""
    try:
        with video.open("rb") as stream:
            head = stream.read(HEAD_BYTES)
    except OSError as error:
        raise ClipError(f"{video}: cannot be read ({error.strerror}); name another video") from None
    if not head:
        raise ClipError(f"{video}: an empty file, not a video; name another")
    text = head.decode("latin-1").removeprefix("\xef\xbb\xbf").lstrip()
    if any(text.startswith(sign) for sign in PLAYLISTS):
        raise ClipError(f"{video}: a playlist, not a video; name a video that it lists")
    if all(byte >= 32 or byte in b"\t\n\r" for byte in head) and text.isascii():
        line = text.partition("\n")[0].strip()[:LONGEST_SHOWN]
        is_pointer = line.startswith("version https://git-lfs")
        remedy = "fetch the file with git lfs pull" if is_pointer else "name another"
        raise ClipError(f"{video}: not a video that can be read but text that begins with {line!r}; {remedy}")


def _refuse_large(video: Path, width: int, height: int) -> None:
    if max(width, height) > LARGEST_SIDE_PX:
        raise ClipError(
            f"{video}: its pictures are {width}x{height}, expected at most {LARGEST_SIDE_PX} pixels on a side, since"
            f" NVDEC decodes no larger ones; {_smaller(video)}"
        )


def _no_picture(video: Path) -> str:
    return (
        f"{video}: no picture in it can be decoded, expected pictures of at most {LARGEST_SIDE_PX}x{LARGEST_SIDE_PX}"
        f" pixels and an index, which take less than {MEMORY_WORDS}; name another video"
    )


def _smaller(video: Path) -> str:
    return f"make the pictures smaller with {remade(video, f'{SMALLER} {ENCODED}', 'smaller')} {NAME_IT}"


def _unreadable(video: Path, error: FFmpegError | OSError | MemoryError) -> str:
    if isinstance(error, MemoryError):
        return (
            f"{video}: more than {MOST_TRACKS} tracks, or an index that takes more than {MEMORY_WORDS}; keep its film"
            f" alone with {remade(video, '-map 0:v:0 -c copy', 'film')} {NAME_IT}"
        )
    if isinstance(error, ArgumentError):
        return (
            f"{video}: not a video that can be read, or in a container that is not opened because files of its kind"
            f" name others to be played; put its film into an MP4 with {remade(video, COPIED, 'copied')} {NAME_IT}"
        )
    if not _is_cut_mp4(video):
        return f"{video}: not a video that can be read ({error.strerror}); name another"
    return (
        f"{video}: cut off before its index (moov) was whole, so no player can show it: not a video that can be read;"
        " record it again, in a form that survives a cut, such as .mkv or .ts"
    )


def _is_cut_mp4(video: Path) -> bool:
    """Return whether the file is an MP4 or MOV without a box moov, or with a box that goes on beyond its end."""
    with video.open("rb") as stream:
        at, has_index, length = 0, False, video.stat().st_size
        for number in range(MOST_BOXES):
            if at + 8 > length:
                return number > 0 and (not has_index or at > length)
            stream.seek(at)
            size, kind = struct.unpack(">I4s", stream.read(8))
            if number == 0 and kind != b"ftyp":
                return False
            has_index = has_index or kind == b"moov"
            if size == 1:
                size = int.from_bytes(stream.read(8))
            at += max(size, 8) if size else length - at  # 0 goes on to the end.
    return False


def _film(video: Path, container: av.container.InputContainer) -> av.VideoStream:
    """Return the one stream to play; refuse still pictures, sound alone and several films."""
    name = container.format.name
    if PICTURE_FORMATS.fullmatch(name):
        raise ClipError(f"{video}: a picture ({name.removesuffix('_pipe')}), not a video; name another")
    films = films_of(container)
    if not films:
        found = " and a cover picture" if container.streams.video else ""
        found = f"only sound{found}" if container.streams.audio else f"nothing to play{found}"
        raise ClipError(f"{video}: no video stream in it, {found}; name another")
    if not all(map(is_decodable, films)):
        raise ClipError(f"{video}: its film is in a codec that FFmpeg does not know; name another video")
    if len(films) > 1:
        kept = next(
            (number for number, film in enumerate(films) if film.codec_context.name not in PICTURE_CODECS), 0
        )
        listed = ", ".join(
            f"{film.codec_context.name} {film.codec_context.width}x{film.codec_context.height}"
            for film in films
        )
        place = list(container.streams.video).index(films[kept])
        raise ClipError(
            f"{video}: {len(films)} video streams ({listed}), and nothing says which of them deepstream-app plays;"
            f" keep one with {remade(video, f'-map 0:v:{place} -c copy', 'one_stream')} {NAME_IT}"
        )
    _refuse_large(video, films[0].codec_context.width, films[0].codec_context.height)
    _refuse_oblong(video, films[0].sample_aspect_ratio)
    return films[0]


def _refuse_oblong(video: Path, width_by_height: Fraction | None) -> None:
    if not width_by_height or abs(width_by_height - 1) <= SQUARE_WITHIN:
        return
    square = f"-vf {shlex.quote('scale=trunc(iw*sar/2)*2:trunc(ih/2)*2,setsar=1')} {ENCODED}"
    raise ClipError(
        f"{video}: a note in it says to show its pixels {float(width_by_height):.3g} times as wide as high, which"
        " deepstream-app does not do: objects would be out of shape; make the pixels square with"
        f" {remade(video, square, 'square')} {NAME_IT}, or, where the cameras to come have such pixels too, drop the"
        f" note with {remade(video, f'-vf setsar=1 {ENCODED}', 'as_coded')}"
    )


def _refuse_cut_index(shown: Shown, stream: av.VideoStream) -> None:
    """Refuse a file that ends before a frame that its index names."""
    # The frames of a file may lie in another order than they are shown in.
    ends = (entry.pos + entry.size for entry in islice(stream.index_entries, MOST_PACKETS))
    if max(ends, default=0) > shown.video.stat().st_size:
        raise ClipError(shown.cut_off())


def _refuse_missing_end(
    shown: Shown, container: av.container.InputContainer, stream: av.VideoStream, duration_s: float
) -> None:
    """Refuse a file that has fewer frames than its head states, or is shorter."""
    if container.format.name == "avi" and shown.packets < stream.frames:
        raise ClipError(shown.cut_off())
    if container.duration and len(container.streams) == 1:
        stated_s = container.duration / av.time_base
        if stated_s - duration_s > max(UNSTATED_S, stated_s / 10):
            raise ClipError(shown.cut_off())
