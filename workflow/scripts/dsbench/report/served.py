"""How many cameras a machine serves: what the runs of a report and its batch sweep measured of that."""

from dataclasses import dataclass

from dsbench.report.report_records import BenchmarkData, DeepStreamRun
from dsbench.report.text import count

NOT_KNOWN = "not known"


@dataclass(frozen=True)
class Served:
    """The most streams that a measured load held at the target rate.

    `streams` is 0 where a single stream missed the rate, None where more did and fewer were not tried. `missed_from`
    is the smallest load above `streams` that missed it, None where none did. `is_of_sweep` says that the batch sweep
    measured them; else they are those of both runs.
    """

    streams: int | None
    missed_from: int | None
    is_of_sweep: bool


def served(data: BenchmarkData) -> Served:
    """Return what checked benchmark data know of the cameras: by the sweep where it tried a load, else by both runs."""
    sweep = data.sweep
    if sweep and (sweep.bs_opt, sweep.missed_from) != (None, None):
        return _served(sweep.bs_opt, sweep.missed_from, is_of_sweep=True)
    runs = [run for _, run in measured_runs(data)]
    held = None
    if data.deepstream.real_time:
        held = max(run.streams for run in runs if run.real_time)
    missed = [run.streams for run in runs if not run.real_time and run.streams > (held or 0)]
    return _served(held, min(missed, default=None), is_of_sweep=False)


def _served(held: int | None, missed_from: int | None, is_of_sweep: bool) -> Served:
    return Served(0 if held is None and missed_from == 1 else held, missed_from, is_of_sweep)


def below_words(missed_from: int | None) -> str:
    """Return what is known of a number of streams that is not known, "" where nothing is."""
    return "" if missed_from is None else f"below {missed_from}"


def measured_runs(data: BenchmarkData) -> list[tuple[str, DeepStreamRun]]:
    """Return the DeepStream runs that were measured, each with its title."""
    runs = (("Run 1", data.deepstream.run1), ("Run 2", data.deepstream.run2))
    return [(title, run) for title, run in runs if run is not None]


def deciding_run(data: BenchmarkData) -> tuple[str, DeepStreamRun]:
    """Return the run that shows the verdict: of several that held the rate the one with the most streams.

    Where the model is not real-time it is the last run that did not hold the rate.
    """
    runs = measured_runs(data)
    fast, slow = ([entry for entry in runs if entry[1].real_time is held] for held in (True, False))
    if data.deepstream.real_time:
        return max(fast, key=lambda entry: entry[1].streams)
    return (slow or fast)[-1]


def run_verdict(data: BenchmarkData) -> str:
    """Return in one line whether the target frame rate was held, by which run, with how many streams."""
    is_real_time = data.deepstream.real_time
    title, run = deciding_run(data)
    streams = count(run.streams, "stream")
    rate = f"{run.fps_per_stream:.2f} FPS per stream, target {data.target_fps:g} ({title})"
    verdict = f"{'REAL-TIME' if is_real_time else 'NOT REAL-TIME'}: {streams} at {rate}"
    if not is_real_time and run.real_time:
        verdict += ", but trtexec alone is slower than one stream"
    return f"{verdict}; the run was DISTURBED" if run.conditions.is_disturbed else verdict
