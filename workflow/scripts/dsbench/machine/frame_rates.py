"""How fast a clip's frames are shown, from their times."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from statistics import median_low

from dsbench.machine.clip import COPIED, ENCODED, NAME_IT, ClipError, remade

# ffmpeg's option before its input: take this rate where the file has none.
AT_30 = "-framerate 30 "
# An interval that differs from the usual one by a larger share is of a clip of variable rate.
JITTER = Fraction(1, 10)
BUSIEST_S = Fraction(1, 2)


@dataclass(frozen=True)
class FrameRates:
    """How fast frames are shown: `fps` and the rest as in ClipFacts."""

    fps: float
    average_fps: float
    is_variable: bool
    duration_s: float


def frame_rates(
    video: Path, times: Sequence[int | None], time_base: Fraction, stated: Fraction | None = None
) -> FrameRates:
    """Return the rates of frames shown at `times`, in units of `time_base`.

    `stated` is the container's rate in frames/s: it is taken where the times, rounded to `time_base`, are its own.
    """
    runs: list[list[int]] = []
    for time in _in_order(times):
        if time is None:
            raise ClipError(
                f"{video}: its frames have no times, so nothing says how fast they are to be shown; write the camera's"
                f" rate into a file with {remade(video, COPIED, 'timed', AT_30)} {NAME_IT}"
            )
        if runs and time > runs[-1][-1]:
            runs[-1].append(time)
        else:
            # Where recordings were joined the times start again.
            runs.append([time])
    intervals = [after - before for run in runs for before, after in pairwise(run)]
    if 2 * len(intervals) < len(times):
        command = remade(video, ENCODED, "timed")
        raise ClipError(
            f"{video}: most frames have the time of the frame before; make it again with {command}"
        )
    usual, span = median_low(intervals), sum(intervals)
    is_variable = not all(_differs_little(interval, usual) for interval in intervals)
    if is_variable:
        average = len(times) / ((span + usual * len(runs)) * time_base)
        needed = _busiest(runs, time_base)
    else:
        average = len(intervals) / (span * time_base)
        if stated and abs(len(intervals) / stated - span * time_base) <= len(runs) * time_base:
            average = stated
        needed = average
    return FrameRates(
        fps=round(float(needed), 3),
        average_fps=float(average),
        is_variable=is_variable,
        duration_s=len(times) / float(average),
    )


def _in_order(times: Sequence[int | None]) -> Sequence[int | None]:
    """Return the times sorted where that makes them even: AVI has those of B frames in the order of the packets."""
    known = sorted(time for time in times if time is not None)
    intervals = [after - before for before, after in pairwise(known)]
    if len(known) < len(times) or not intervals:
        return times
    usual = median_low(intervals)
    is_even = all(interval > 0 and _differs_little(interval, usual) for interval in intervals)
    return known if is_even else times


def _differs_little(interval: int, usual: int) -> bool:
    return abs(interval - usual) <= max(JITTER * usual, Fraction(1))


def _busiest(runs: Sequence[Sequence[int]], time_base: Fraction) -> Fraction:
    """Return the frames/s of the half second, of the whole run where that is shorter, with most frames."""
    window, most = BUSIEST_S / time_base, Fraction(0)
    for run in runs:
        last = 0
        for first, start in enumerate(run):
            while last < len(run) - 1 and run[last] - start < window:
                last += 1
            if last > first and (first == 0 or run[last] - start >= window):
                most = max(most, Fraction(last - first, run[last] - start))
    return most / time_base
