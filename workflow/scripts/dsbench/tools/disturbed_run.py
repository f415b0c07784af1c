"""A measurement that something else disturbed is made once more; the second one says so, whatever it finds."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from dsbench.core.errors import BuildError
from dsbench.tools.run_samples import POWER_CAP, SampleSummary, read_summary
from dsbench.tools.tool_run import report_progress

CLOCK_SPREAD_PCT = 5
# The head line of a log whose measurement is a second one.
REPEATED = "repeated"
Result = TypeVar("Result")


class DisturbedRunError(BuildError):
    """A run whose own log says that something disturbed it."""


def measure_again_if_disturbed(measure: Callable[[dict[str, str]], Result], log: Path) -> Result:
    """Return what `measure` returns; it takes the facts that `log` is to state besides its own.

    Disturbed is a run in which a stream stalled, and one during which the GPU was slowed down or used by others.
    That log is kept beside `log`.
    """
    kept = log.with_name(f"{log.stem}_disturbed.log")
    for old in (kept, kept.with_suffix(".samples.json")):
        old.unlink(missing_ok=True)
    try:
        result = measure({})
        found = "; ".join(disturbances(read_summary(log)) or [])
    except DisturbedRunError as error:
        found = str(error).removeprefix(f"{log}: ")
    if not found:
        return result
    shutil.copyfile(log, kept)
    samples = log.with_suffix(".samples.json")
    if samples.is_file():
        shutil.copyfile(samples, kept.with_suffix(".samples.json"))
    report_progress(f"{log}: {found}; measuring once more, that log is {kept}")
    return measure({REPEATED: f"{' '.join(found.split())}; that log is {kept}"})


def disturbances(samples: SampleSummary | None) -> list[str] | None:
    """Return a sentence for each thing that made the GPU slower than it is; None where it cannot be known.

    The power cap, and a clock that it moved, are none: a card under full load runs into its own limit always.
    """
    gpu = samples.gpu if samples else None
    if gpu is None:
        return None
    found = [
        f"the GPU was throttled in {share:g} % of the samples ({reason})"
        for reason, share in (gpu.throttled_pct or {}).items()
        if reason != POWER_CAP
    ]
    if gpu.foreign_processes:
        names = ", ".join(f"{other.name} ({other.pid})" for other in gpu.foreign_processes)
        found.append(f"other processes used the GPU: {names}")
    clock = gpu.sm_clock_mhz
    if clock and not gpu.power_capped_pct and clock.max > clock.min * (1 + CLOCK_SPREAD_PCT / 100):
        found.append(f"the SM clock moved between {clock.min:g} and {clock.max:g} MHz")
    # A clean run is one of which all three are known.
    known = None not in (gpu.throttled_pct, gpu.foreign_processes, clock)
    return found if found or known else None
