"""deepstream-app logs: PERF rows to frames per second, summed over all streams."""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

from dsbench.errors import BuildError

NUMBER = r"-?[0-9.]+|inf|-?nan"
ROW = re.compile(rf"^(?:\*\*PERF:|PERF\(\d+\):)\s+(?:{NUMBER}) \(")
PAIR = re.compile(rf"({NUMBER}) \((?:{NUMBER})\)")
REBUILD = re.compile(r"Trying to create engine from model files|serialize cuda engine to file")
BROKEN_OUTPUT = re.compile(r"^.*(?:Failed to parse bboxes|Error in NvDsInferContextImpl).*$", re.M)
INTERRUPTED = "User Interrupted"


class PerfLogError(BuildError):
    """A deepstream-app log that is not the log of a finished, undisturbed run."""


class StalledStreamError(PerfLogError):
    """A run in which a stream got no frame for a whole window."""


@dataclass(frozen=True)
class StreamRun:
    """Frames per second of one run, over full windows after the ramp-up.

    `total_fps` is the sum over streams of each stream's mean; `window_fps` holds each window's sum.
    """

    streams: int
    window_fps: list[float]
    stream_fps: list[float]

    @property
    def total_fps(self) -> float:
        """Return the sum over all streams of the mean frames/s."""
        return sum(self.stream_fps)

    @property
    def fps_per_stream(self) -> float:
        """Return the mean frames/s of a stream."""
        return self.total_fps / self.streams

    @property
    def slowest_fps(self) -> float:
        """Return the frames/s of the slowest stream, which decides whether the run was real-time."""
        return min(self.stream_fps)

    @property
    def variation_pct(self) -> float | None:
        """Return standard deviation / mean of the windows in percent; None for a single window."""
        if len(self.window_fps) < 2:
            return None
        return 100 * stdev(self.window_fps) / fmean(self.window_fps)


def parse_row(line: str) -> list[float] | None:
    """Return the window frames/s of each stream of a PERF row, or None for another line."""
    if not ROW.match(line):
        return None
    return [float(value) for value in PAIR.findall(line)]


class WindowCounter:
    """Counts full windows while a run is still printing: rows after the one in which all streams first ran."""

    def __init__(self, streams: int):
        self.streams = streams
        self.windows = 0
        self._ramped_up = False

    def feed(self, line: str) -> int:
        """Take one log line, return the number of full windows so far."""
        row = parse_row(line)
        if row is not None and len(row) == self.streams:
            if self._ramped_up:
                self.windows += 1
            elif all(value > 0 for value in row):
                self._ramped_up = True
        return self.windows


def read_run(log: Path | str, streams: int, min_windows: int) -> StreamRun:
    """Return the rates of `streams` streams; refuse rebuilt engines, stalls and too few windows.

    The first row in which every stream runs is ramp-up and dropped; a row after Ctrl-C is partial and dropped.
    """
    text = Path(log).read_text(errors="replace")
    check_ended_well(text, log)
    rows = [row for row in map(parse_row, text.split(INTERRUPTED)[0].splitlines()) if row is not None]
    wrong = next((row for row in rows if len(row) != streams), None)
    if wrong is not None:
        raise PerfLogError(f"{log}: a PERF row has {len(wrong)} streams, the run was asked for {streams}")
    started = next((i for i, row in enumerate(rows) if all(value > 0 for value in row)), len(rows))
    windows = rows[started + 1 :]
    if len(windows) < min_windows:
        raise PerfLogError(
            f"{log}: {len(windows)} full windows after the ramp-up, expected {min_windows};"
            " the run ended early, its last lines say why"
        )
    for row in windows:
        for stream, value in enumerate(row):
            if not (math.isfinite(value) and value > 0):
                raise StalledStreamError(f"{log}: stream {stream} stalled ({value} frames/s in a window)")
    return StreamRun(
        streams=streams,
        window_fps=[sum(row) for row in windows],
        stream_fps=[fmean(column) for column in zip(*windows, strict=True)],
    )


def check_ended_well(text: str, log: Path | str) -> None:
    """Refuse a run that failed, or that measured an engine built on the spot instead of the named one."""
    if REBUILD.search(text):
        raise PerfLogError(
            f"{log}: the engine was rebuilt instead of loaded; check model-engine-file, batch-size and the"
            " TensorRT version in the lines before 'Trying to create engine from model files'"
        )
    if broken := BROKEN_OUTPUT.search(text):
        raise PerfLogError(f"{log}: frames without post-processing were counted: {broken[0].strip()}")
    if "App run failed" in text or "App run successful" not in text:
        cause = re.search(rf"^(?:\*\* ERROR|ERROR from|ERROR:)(?!.*{INTERRUPTED}).*$", text, re.M)
        raise PerfLogError(f"{log}: no 'App run successful': {cause[0] if cause else 'the run was cut off'}")
