"""How long a frame takes from the decoder's input to its sink, and in each component, as deepstream-app prints it."""

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from dsbench.deepstream.log import INTERRUPTED, PerfLogError, check_ended_well
from dsbench.tools.disturbed_run import measure_again_if_disturbed
from dsbench.tools.doctor import note_at_end, noted_at_end
from dsbench.tools.tool_run import LATENCY_VARIABLES, ToolFailedError, run_tool

VARIABLES = dict.fromkeys(LATENCY_VARIABLES, "1")
SAYS = "Frame latency = "
COMPONENT_SAYS = "Comp name = "
# Each line is printed by one call; another writer's text may stand before it, and after a cut its rest is not there.
FRAME = re.compile(r"Source id = (\d+) Frame_num = \d+ Frame latency = (-?\d+\.\d{6}) \(ms\) ?$")
COMPONENT = re.compile(r"Comp name = (\S+) .*component[ _]latency ?= (-?\d+\.\d{6}) *$", re.M)
# Of an element's name: what a pipeline adds to that of its kind.
NAME_OF_KIND = re.compile(r"\d+$|(?<=^nvstreammux)-.*")
CONFIGURATION = re.compile(r"^# configuration: (.+)$", re.M)
# Ends the log of a run that tells no latency.
REFUSED = "# refused: "
# Fewer have no 99th percentile.
LEAST_FRAMES = 100
# A fast GPU's log would be of 100 MB.
MOST_FRAMES = 50_000
# Until the pipeline is full, frames pass queues that are still empty.
RAMP_UP_SHARE = 0.1
# A frame without the decoder's time of arrival has the time since 1970 as its latency.
LONGEST_MS = 3_600_000.0
# The app may be as much slower than in the run without these lines before it counts as stuck.
PATIENCE = 3
TEARDOWN_S, TEARDOWN_OF_STREAM_S = 30, 1


@dataclass(frozen=True)
class FrameLatency:
    """One frame's latency in ms, its stream, and the number of the log's line that says it, the first being 1."""

    latency_ms: float
    stream: int
    line: int


@dataclass(frozen=True)
class ComponentLatency:
    """How long a component of the pipeline had a frame or the frame's batch, in ms; `name` is that of its kind."""

    name: str
    mean_ms: float
    p95_ms: float


@dataclass(frozen=True)
class LatencyRun:
    """The latencies of one run, ascending, without those of the ramp-up, of which there are `left_out`.

    `components` are those that told theirs, in the order in which a frame passes them; `untimed` are the names of the
    other kinds, whose times are impossible. `warnings` are sentences.
    """

    streams: int
    frames: list[FrameLatency]
    left_out: int
    components: list[ComponentLatency]
    untimed: list[str]
    warnings: list[str]

    def percentile(self, percent: float) -> FrameLatency:
        """Return the frame whose latency `percent` of all frames do not exceed, one that was measured."""
        return self.frames[max(math.ceil(percent / 100 * len(self.frames)), 1) - 1]


def measure_latency(
    program: str,
    config: Path,
    streams: int,
    frames: int,
    total_fps: float,
    loading_s: float,
    log: Path,
    facts: dict,
) -> LatencyRun:
    """Run `config` with a line for each frame until `frames` are through, stop by SIGINT, return their latencies.

    The app may load for `loading_s`; `total_fps` is how fast all streams together were without the lines. A disturbed
    run is done once more, and its log kept beside `log`.
    """

    def measure(why: dict[str, str]) -> LatencyRun:
        left = frames

        def is_enough(line: str) -> bool:
            nonlocal left
            left -= FRAME.search(line.rstrip("\n")) is not None
            return left <= 0

        run_tool(
            [program, "-c", str(config)],
            log,
            facts | {"environment": " ".join(f"{name}={value}" for name, value in VARIABLES.items())} | why,
            config,
            timeout_s=loading_s + PATIENCE * frames / total_fps,
            stop_when=is_enough,
            grace_s=TEARDOWN_S + TEARDOWN_OF_STREAM_S * streams,
            environment=VARIABLES,
        )
        return read_latency(log, streams)

    return measure_again_if_disturbed(measure, log)


@contextmanager
def noting_refusal(log: Path) -> Iterator[None]:
    """Let a run fail, whose `log` then ends with a note of why: the rates are measured, and the report can be made."""
    try:
        yield
    except (PerfLogError, ToolFailedError) as error:
        note_at_end(log, REFUSED, " ".join(str(error).split()))


def why_no_latency(log: Path) -> str | None:
    """Return why the run in `log` tells no latency, None where it does."""
    return noted_at_end(log.read_text(errors="replace"), REFUSED)


def frames_of(total_fps: float, seconds: float) -> int:
    """Return how many frames are measured: those of `seconds` at `total_fps`, up to MOST_FRAMES.

    They are at least what percentiles need.
    """
    # What is left out comes on top.
    return max(math.ceil(LEAST_FRAMES / (1 - RAMP_UP_SHARE)), min(round(total_fps * seconds), MOST_FRAMES))


def configuration_of(log: Path) -> Path:
    """Return the app's configuration that the head of `log` names."""
    stated = CONFIGURATION.search(log.read_text(errors="replace"))
    if stated is None:
        raise PerfLogError(
            f"{log}: its head names no configuration; delete it and run the same command again"
        )
    return Path(stated[1])


def read_latency(log: Path, streams: int) -> LatencyRun:
    """Return the latencies of the frames of `streams` streams; refuse runs that failed, ended early or lack a stream.

    Of each stream the first tenth of the frames is left out, and so are frames after Ctrl-C and torn lines.
    """
    text = log.read_text(errors="replace")
    check_ended_well(text, log)
    measured, interrupted, _ = text.partition(INTERRUPTED)
    if not interrupted:
        raise PerfLogError(
            f"{log}: the run ended by itself, expected '{INTERRUPTED}' after enough frames; only nvv4l2decoder plays a"
            " clip in a loop, give one that it decodes"
        )
    found, torn = _printed(measured)
    by_stream: dict[int, list[FrameLatency]] = {stream: [] for stream in range(streams)}
    for frame in found:
        by_stream.setdefault(frame.stream, []).append(frame)
    _refuse_other_streams(by_stream, streams, log)
    kept = [
        frame for of_one in by_stream.values() for frame in of_one[math.ceil(RAMP_UP_SHARE * len(of_one)) :]
    ]
    for frame in kept:
        _refuse_impossible(frame, log)
    if len(kept) < LEAST_FRAMES:
        raise PerfLogError(
            f"{log}: {len(kept)} frames after the ramp-up, expected at least {LEAST_FRAMES}; the run ended early, its"
            " last lines say why"
        )
    return LatencyRun(
        streams,
        sorted(kept, key=lambda frame: frame.latency_ms),
        len(found) - len(kept),
        *_components(measured),
        list(_warnings(measured, torn)),
    )


def _warnings(text: str, torn: int) -> Iterator[str]:
    """Yield a sentence on torn lines, and one on lines of components none of which can be read."""
    if torn:
        said = "1 line was" if torn == 1 else f"{torn} lines were"
        yield f"{said} torn by other lines on the same output; the latencies are those of the whole ones."
    if COMPONENT_SAYS in text and not COMPONENT.search(text):
        yield (
            f"The lines with '{COMPONENT_SAYS.strip()}' have another form than DeepStream 9.1's; no component's"
            " share of the latency is told."
        )


def _printed(text: str) -> tuple[list[FrameLatency], int]:
    """Return what the whole lines say, in their order, and the number of torn ones."""
    frames, torn = [], 0
    for number, line in enumerate(text.split("\n"), 1):
        if SAYS not in line:
            continue
        if whole := FRAME.search(line):
            frames.append(FrameLatency(float(whole[2]), int(whole[1]), number))
        else:
            torn += 1
    return frames, torn


def _components(text: str) -> tuple[list[ComponentLatency], list[str]]:
    """Return what the components' lines say, without the first tenth of each kind's, and the kinds left out.

    A kind without a time of arrival or departure has impossible ones.
    """
    times_ms: dict[str, list[float]] = {}
    for name, latency_ms in COMPONENT.findall(text):
        times_ms.setdefault(NAME_OF_KIND.sub("", name), []).append(float(latency_ms))
    kept = {name: sorted(each[math.ceil(RAMP_UP_SHARE * len(each)) :]) for name, each in times_ms.items()}
    timed = [
        ComponentLatency(name, fmean(each), each[math.ceil(0.95 * len(each)) - 1])
        for name, each in kept.items()
        if each and each[0] >= 0 and each[-1] <= LONGEST_MS
    ]
    return timed, [name for name in kept if name not in {each.name for each in timed}]


def _refuse_impossible(frame: FrameLatency, log: Path) -> None:
    if not 0 < frame.latency_ms <= LONGEST_MS:
        raise PerfLogError(
            f"{log}: line {frame.line} says {frame.latency_ms:g} ms, expected more than 0 and at most"
            f" {LONGEST_MS:g}; the decoder noted no time at which the frame came, or the clock was set"
        )


def _refuse_other_streams(by_stream: dict[int, list[FrameLatency]], streams: int, log: Path) -> None:
    lacking = [stream for stream, frames in by_stream.items() if not frames]
    if len(lacking) == streams:
        raise PerfLogError(
            f"{log}: no '{SAYS.strip()}', expected a line for each frame; this deepstream-app does not heed"
            f" {LATENCY_VARIABLES[0]}"
        )
    if lacking:
        raise PerfLogError(
            f"{log}: no frame of stream {lacking[0]} came to its sink, expected some of each of {streams} streams"
        )
    if len(by_stream) > streams:
        raise PerfLogError(
            f"{log}: frames of stream {max(by_stream)}, the run was asked for {streams} streams; the configuration at"
            " the log's head has the sources"
        )
