"""What decoding alone allows: the clip in many streams at once, and nothing behind the decoders."""

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dsbench.core.files import scratch_beside
from dsbench.machine.clip import ClipFacts
from dsbench.tools.disturbed_run import measure_again_if_disturbed
from dsbench.tools.tool_run import ToolFailedError, run_tool

# nvv4l2decoder takes what a camera sends: the parser that finds its pictures, and FFmpeg's name for that form.
FORMS = {"h264": ("h264parse", "h264_mp4toannexb"), "hevc": ("h265parse", "hevc_mp4toannexb")}
# From there on a GPU's decoders are full.
FIRST_STREAMS = 16
MOST_STREAMS = 256
# A pass is the clip, or its first pictures; the embedded decoder can stop after a few.
LONGEST_PASS = 300
SHORT_PASS = 30
MOST_PASSES = 4096
TIMEOUT_S = 600
# The seconds that a run of so many streams takes for so many passes.
Run = Callable[[int, int], float]


@dataclass(frozen=True)
class DecodingRate:
    """The frames/s of `streams` decoders together."""

    streams: int
    frames_per_s: float


@dataclass(frozen=True)
class Decoding:
    """What decoding.json says; the last of `rates` is that of the most streams.

    `stopped_by` says why nothing, or nothing more, was measured.
    """

    rates: list[DecodingRate]
    stopped_by: str | None

    def allowed_streams(self, target_fps: float) -> int | None:
        """Return how many streams get `target_fps` from the decoders; None where nothing was measured.

        More than were run may get it too, but nobody has seen them. A first rate alone promises.
        """
        if not self.rates:
            return None
        last = self.rates[-1]
        promised = math.floor(last.frames_per_s / target_fps)
        return promised if len(self.rates) == 1 else min(promised, last.streams)


def measure_decoding(
    program: str | None,
    clip: ClipFacts,
    target_fps: float,
    seconds: float,
    place: Path,
    log: Path,
    facts: dict[str, str],
) -> Decoding:
    """Return the rates at a first number of streams and at as many as that rate promises, over `seconds` at least.

    `program` is the embedded runtime's decoder, None where NVIDIA's decodes, which reads scratch files beside `place`.
    What cannot be measured is said in the result: no benchmark of a model needs it.
    """
    if program is None and clip.codec not in FORMS:
        return Decoding([], f"nvv4l2decoder is measured with {' and '.join(FORMS)}, the clip is {clip.codec}")
    first = FIRST_STREAMS if program is None else len(os.sched_getaffinity(0))

    def measure(why: dict[str, str]) -> Decoding:
        with scratch_beside(place) as folder:

            def run(command: list[str]) -> float:
                return run_tool(command, log, facts | why, timeout_s=TIMEOUT_S)

            if program is not None:
                # A pass has as many frames in all streams together, however many these are.
                frames = min(clip.frames, SHORT_PASS) * first
                return _rates(
                    lambda streams, passes: run(
                        [program, clip.path, str(streams), str(passes * _share(frames, streams))]
                    ),
                    *(lambda streams: _share(frames, streams), first, target_fps, seconds),
                )
            # It loads slowly, and a report reads the rates alone.
            from av import FFmpegError

            try:
                content, frames = elementary_stream(Path(clip.path), clip.codec)
            except (FFmpegError, OSError) as error:
                return Decoding(
                    [], f"{clip.file}: its pictures cannot be taken out of the container ({error})"
                )

            def wall_s(streams: int, passes: int) -> float:
                with (folder / "passes").open("wb") as stream:
                    stream.writelines([content] * passes)
                return run(decoders(folder / "passes", clip.codec, streams))

            return _rates(wall_s, lambda _: frames, first, target_fps, seconds)

    return measure_again_if_disturbed(measure, log)


def decoders(file: Path, codec: str, streams: int) -> list[str]:
    """Return the command that decodes `file` in `streams` decoders of one process, as deepstream-app has them."""
    parser, _ = FORMS[codec]
    branch = f"filesrc location={file} ! {parser} ! nvv4l2decoder ! fakesink sync=false".split()
    return ["gst-launch-1.0", "-q", *(branch * streams)]


def elementary_stream(clip: Path, codec: str) -> tuple[bytes, int]:
    """Return the clip's coded pictures without a container, at most LONGEST_PASS, and how many they are."""
    from av.bitstream import BitStreamFilterContext

    from dsbench.machine.video import films_of, open_container, packets_of

    content, frames = bytearray(), 0
    with open_container(clip) as container:
        film = films_of(container)[0]
        form = BitStreamFilterContext(FORMS[codec][1], film)
        for packet in packets_of(container, film):
            # What a recording has before its first key frame is not decoded; the last packet is empty.
            if (frames or packet.is_keyframe) and packet.size:
                content += b"".join(map(bytes, form.filter(packet)))
                frames += 1
            if frames == LONGEST_PASS:
                break
    return bytes(content), frames


def _share(frames: int, streams: int) -> int:
    return max(1, frames // streams)


def _rates(run: Run, frames: Callable[[int], int], first: int, target_fps: float, seconds: float) -> Decoding:
    """Return the rates of `first` streams and of as many as these promise; `frames` tells a stream's in a pass."""
    rates: list[DecodingRate] = []
    streams = first
    try:
        while streams not in [rate.streams for rate in rates] and len(rates) < 2:
            rates.append(DecodingRate(streams, _frames_per_s(run, frames(streams), streams, seconds)))
            streams = min(max(1, math.floor(rates[-1].frames_per_s / target_fps)), MOST_STREAMS)
    except ToolFailedError as error:
        return Decoding(rates, str(error))
    return Decoding(rates, None)


def _frames_per_s(run: Run, frames: int, streams: int, seconds: float) -> float:
    """Return the rate of all streams; a run of one pass is subtracted from one of more passes.

    What is left, `seconds` at least, has neither start nor teardown in it.
    """
    one_s, more = run(streams, 1), 1
    while True:
        took_s = run(streams, 1 + more) - one_s
        if took_s >= seconds:
            return frames * more * streams / took_s
        if more >= MOST_PASSES:
            raise ToolFailedError(
                f"{more} passes in {streams} streams took {took_s:.2f} s, expected at least {seconds:g} s; the clip"
                " is too short to measure decoding with"
            )
        # A run that is hardly longer says little of how long the next has to be.
        more *= 2 if took_s < seconds / 8 else math.ceil(1.2 * seconds / took_s)
