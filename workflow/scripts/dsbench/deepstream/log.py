"""deepstream-app logs: how a run ended, what it warned of, and its PERF rows, summed over all streams."""

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, stdev

from dsbench.core.errors import BuildError
from dsbench.tools.disturbed_run import DisturbedRunError

INTERRUPTED = "User Interrupted"
END_OF_STREAM = "Received EOS"
REBUILD = re.compile(r"Trying to create engine from model files|serialize cuda engine to file")
MODEL_LOADED = "Load new model:"
TRITON = re.compile(r"nvinferserver|infer_trtis|Triton ?(?:server|Server|model)|TrtIS(?:Server|Backend)")
LOADED = "Use deserialized engine model: "
BROKEN_OUTPUT = re.compile(r"^.*(?:Failed to parse bboxes|Error in NvDsInferContextImpl).*$", re.M)
FAILURE = re.compile(
    rf"^(?:\*\* ERROR:(?!.*{INTERRUPTED})|ERROR from|ERROR:|.*Error in NvDsInferContextImpl).*$", re.M
)
WARNING = re.compile(
    r"^(?:\*\* WARN: <\w+:\d+>: |WARNING from |WARNING: |Unknown (?:or legacy )?key ).*$", re.M
)
NVINFER_WARNING = re.compile(r"Warning from NvDsInferContextImpl::.*\[UID = \d+\]: (.*)$", re.M)
NVINFER_PREFIX = re.compile(r"^.*\[UID = \d+\]: ")
APP_PREFIX = re.compile(r"^\*\* WARN: <\w+:\d+>: ")

# Why an engine was not used, as nvinfer says it before it builds another; the first that is found counts.
NOT_USED = (
    (
        re.compile(r"Backend has maxBatchSize (\d+) whereas (\d+)"),
        "its largest batch is {0}, batch-size is {1}",
    ),
    (re.compile(r"backend can not support dims:(\S+)"), "its profile does not hold infer-dims {0}"),
    (
        re.compile(r"expecting library version (\S+) got (\d[\d.]*\d)"),
        "it is of TensorRT {1}, DeepStream has {0}",
    ),
    (
        re.compile(r"not compatible with this version of TensorRT|Version tag does not match|magicTag"),
        "another version of TensorRT built it",
    ),
    (re.compile(r"generated on an incompatible device"), "it was built on another GPU"),
    (
        re.compile(r"because file path: (.*) open error"),
        "model-engine-file leads to {0}, where there is no file",
    ),
    (
        re.compile(r"deserialize engine from file :(.*) failed"),
        "{0} is missing, damaged or of another TensorRT",
    ),
)
UNNAMED = "model-engine-file names no engine"
NUMBER = r"-?[0-9.]+|inf|-?nan"
# The app prints each stream on its own, so that another writer's line may stand before a row or anywhere in it.
# A header begins with FPS.
ROW = re.compile(r"(?:\S.*?)?(?:\*\*PERF:|PERF\(\d+\):)\s+(?!FPS\b)(.*)")
PAIR = re.compile(rf"({NUMBER}) \(({NUMBER})\)")
REST = re.compile(rf"(?:{NUMBER}) \(")
WHOLE = re.compile(rf"(?:(?:{NUMBER}) \((?:{NUMBER})\)\s+)*(?:{NUMBER}) \((?:{NUMBER})\)\s*")
# DeepStream 9 divides by the nominal interval, so a late timer shows only in the averages, which go by real time.
AVERAGE_TOLERANCE = 0.2


class PerfLogError(BuildError):
    """A deepstream-app log that is not the log of a finished, undisturbed run."""


def check_ended_well(text: str, log: Path | str) -> None:
    """Refuse a run that failed, or that used another engine than the named one, or none."""
    _refuse_rebuilt(text, log)
    if "App run failed" in text or "App run successful" not in text:
        cause = failure_cause(text) or _how_it_stopped(text)
        raise PerfLogError(f"{log}: no 'App run successful': {cause}; the lines around it say more")
    check_engine_used(text, log)


def check_engine_used(text: str, log: Path | str) -> None:
    """Refuse a run that used another engine than the named one, or none, or whose output could not be read."""
    _refuse_rebuilt(text, log)
    if broken := BROKEN_OUTPUT.search(text):
        raise PerfLogError(
            f"{log}: frames without post-processing were counted: {broken[0].strip()}; expected no error of nvinfer,"
            " cure that and measure again"
        )
    if LOADED not in text:
        raise PerfLogError(f"{log}: no '{LOADED.strip()}', {_how_it_inferred(text)}")


def _how_it_stopped(text: str) -> str:
    """Return how a run ended of which no closing line tells."""
    if END_OF_STREAM in text:
        return "the clip came to its end, and the log lacks what the app says after it"
    if _has_only_zeros(text):
        return "the run was cut off before any stream got a frame"
    return "the run was cut off"


def _how_it_inferred(text: str) -> str:
    """Return what is known of the inference of a run that names no loaded engine, and what to do."""
    if TRITON.search(text):
        return (
            "since nvinferserver (Triton) inferred, which says nothing of its engine; expected nvinfer, set"
            " plugin-type=0 in [primary-gie] and give it an nvinfer configuration"
        )
    if MODEL_LOADED in text:
        return (
            "but nvinfer loaded a model: the log does not say from which engine; keep the whole log, with what nvinfer"
            " says on standard error"
        )
    return "so the pipeline ran without inference; check that [primary-gie] is spelt so and has enable=1"


def _refuse_rebuilt(text: str, log: Path | str) -> None:
    if REBUILD.search(text):
        raise PerfLogError(
            f"{log}: the engine was rebuilt instead of loaded: {why_not_loaded(text)}{_without_frames(text)};"
            f" expected '{LOADED.strip()}';"
            " correct that in the nvinfer configuration, or build the engine with DeepStream's own TensorRT"
        )


def _without_frames(text: str) -> str:
    """Return the end of a sentence on a run whose every window is empty: another engine does not cure that."""
    return ", and no stream ever got a frame: check that the clip plays too" if _has_only_zeros(text) else ""


def _has_only_zeros(text: str) -> bool:
    rows = [row for row in _printed_rows(text) if row]
    return bool(rows) and not any(map(any, rows))


def why_not_loaded(text: str) -> str:
    """Return why nvinfer did not use the engine it was given, from the lines before it builds another."""
    # The two outputs of the app are copied side by side: a line may stand a little too late.
    for part in (re.split(REBUILD, text)[0], text):
        for pattern, reason in NOT_USED:
            if found := pattern.search(part):
                return reason.format(*found.groups())
    return UNNAMED


def failure_cause(text: str) -> str | None:
    """Return the first line that says why a run failed, None where there is none."""
    found = FAILURE.search(text)
    return NVINFER_PREFIX.sub("", found[0]).strip() if found else None


def warnings(text: str) -> list[str]:
    """Return each different warning of the app, of its elements and of nvinfer, in order."""
    plain = [(found.start(), APP_PREFIX.sub("", found[0])) for found in WARNING.finditer(text)]
    nvinfer = [(found.start(), found[1]) for found in NVINFER_WARNING.finditer(text)]
    return list(dict.fromkeys(line.strip() for _, line in sorted(plain + nvinfer)))


class StalledStreamError(PerfLogError, DisturbedRunError):
    """A run in which a stream got no frame for a whole window."""


@dataclass(frozen=True)
class StreamRun:
    """Frames per second of one run, over full windows after the ramp-up.

    `total_fps` is the sum over streams of each stream's mean; `window_fps` holds each window's sum; `warnings`
    are sentences.
    """

    streams: int
    window_fps: list[float]
    stream_fps: list[float]
    warnings: list[str] = field(default_factory=list)

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
    """Return the window frames/s of each stream of a PERF row, or None for another line and for a torn row."""
    found = ROW.match(line)
    if not found or not WHOLE.fullmatch(found[1]):
        return None
    return [float(window) for window, _ in PAIR.findall(found[1])]


def _printed_rows(text: str) -> list[list[float]]:
    """Return the window frames/s of each stream of all PERF rows, an empty list for a torn row."""
    return [row for _, row in _numbered_rows(text)]


def _numbered_rows(text: str) -> list[tuple[int, list[float]]]:
    """Return all PERF rows, each with the number of its line, the first being 1."""
    rows: list[tuple[int, list[float]]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if ROW.match(line):
            rows.append((number, parse_row(line) or []))
        elif rows and REST.match(line):
            rows[-1] = rows[-1][0], []
    return rows


def _first_running(rows: list[list[float]]) -> int:
    """Return the place of the first row in which every stream runs, the number of rows where there is none."""
    return next((i for i, row in enumerate(rows) if row and _all_run(row)), len(rows))


def _all_run(row: list[float]) -> bool:
    return all(value > 0 for value in row)


class WindowCounter:
    """Counts full windows while a run is still printing: rows after the one in which all streams first ran.

    A row whose rest comes on another line was torn and does not count.
    """

    def __init__(self):
        self.windows = 0
        self._ramped_up = False
        self._before = (0, False)

    def feed(self, line: str) -> int:
        """Take one log line, return the number of full windows so far."""
        row = parse_row(line)
        if row is not None:
            self._before = self.windows, self._ramped_up
            if self._ramped_up:
                self.windows += 1
            elif _all_run(row):
                self._ramped_up = True
        elif REST.match(line):
            self.windows, self._ramped_up = self._before
        return self.windows


def read_run(log: Path | str, streams: int, min_windows: int) -> StreamRun:
    """Return the rates of `streams` streams; refuse rebuilt engines, stalls, too few windows and ends of its own.

    The first row in which every stream runs is ramp-up and dropped; a row after Ctrl-C is partial and dropped.
    """
    text = Path(log).read_text(errors="replace")
    check_ended_well(text, log)
    measured, interrupted, _ = text.partition(INTERRUPTED)
    windows = full_windows(measured, streams, log)
    if len(windows) < min_windows:
        raise PerfLogError(
            f"{log}: {len(windows)} full windows after the ramp-up, expected {min_windows};"
            " the run ended early, its last lines say why"
        )
    if not interrupted:
        raise PerfLogError(
            f"{log}: the run ended by itself, expected '{INTERRUPTED}' after {min_windows} windows; only"
            " nvv4l2decoder plays a clip in a loop, give one that it decodes"
        )
    return reduce_windows(windows, warnings(text) + _torn(measured) + _contradiction(measured, windows))


def full_windows(text: str, streams: int, log: Path | str) -> list[list[float]]:
    """Return the frames/s of each stream in each window after the ramp-up; refuse other columns and stalls.

    A torn row loses its window, and no other.
    """
    rows = _printed_rows(text)
    if not any(rows):
        check = (
            "that the clip, which came to its end, is longer than a window"
            if END_OF_STREAM in text
            else "that the clip plays"
        )
        raise PerfLogError(
            f"{log}: no PERF row, expected one for each window; check enable-perf-measurement and {check}"
        )
    started = _first_running(rows)
    wrong = next((row for row in rows[started:] if row and len(row) != streams), None)
    if wrong is not None:
        raise PerfLogError(
            f"{log}: a PERF row has {len(wrong)} streams, the run was asked for {streams}; the lines before it name the"
            " sources that failed"
        )
    windows = [row for row in rows[started + 1 :] if row]
    for row in windows:
        for stream, value in enumerate(row):
            if not (math.isfinite(value) and value > 0):
                raise StalledStreamError(
                    f"{log}: stream {stream} stalled ({value} frames/s in a window), expected frames in every one;"
                    " measure again on an idle machine"
                )
    return windows


def lines_of_windows(text: str) -> list[int]:
    """Return the numbers of the lines that have the full windows of an accepted log, in their order."""
    numbered = _numbered_rows(text.partition(INTERRUPTED)[0])
    after_ramp_up = _first_running([row for _, row in numbered]) + 1
    return [number for number, row in numbered[after_ramp_up:] if row]


def idle_stream(text: str) -> int | None:
    """Return the first stream without a frame in the last window, None where all run or nothing was printed."""
    rows = [row for row in map(parse_row, text.splitlines()) if row is not None]
    return next((i for i, value in enumerate(rows[-1]) if not value > 0), None) if rows else None


def reduce_windows(windows: list[list[float]], warned: list[str]) -> StreamRun:
    """Return the rates over `windows`, each with the frames/s of every stream."""
    return StreamRun(
        streams=len(windows[0]),
        window_fps=[sum(row) for row in windows],
        stream_fps=[fmean(column) for column in zip(*windows, strict=True)],
        warnings=warned,
    )


def _torn(text: str) -> list[str]:
    """Return a sentence where rows after the ramp-up were torn; each of them would have been a window."""
    rows = _printed_rows(text)
    torn = rows[_first_running(rows) :].count([])
    if not torn:
        return []
    said = "1 PERF row was" if torn == 1 else f"{torn} PERF rows were"
    return [f"{said} torn by other lines on the same output; the rates are those of the whole rows."]


def _contradiction(text: str, windows: list[list[float]]) -> list[str]:
    """Return a sentence where the last averages since the first frame are far from the windows."""
    last = next(line for line in reversed(text.splitlines()) if parse_row(line) == windows[-1])
    average_fps = sum(float(average) for _, average in PAIR.findall(last))
    window_fps = fmean(sum(row) for row in windows)
    if abs(average_fps / window_fps - 1) <= AVERAGE_TOLERANCE:
        return []
    return [
        f"The windows give {window_fps:.1f} frames/s in all, the averages since the first frame {average_fps:.1f};"
        " a slow start or windows longer than their nominal interval explain that."
    ]
