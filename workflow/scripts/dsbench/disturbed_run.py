"""A measurement that something else disturbed is made once more; the second one says so, whatever it finds."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from dsbench.bottleneck import REPEATED, disturbances
from dsbench.perf_log import StalledStreamError
from dsbench.run_samples import read_summary
from dsbench.tool_run import report_progress

Result = TypeVar("Result")


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
    except StalledStreamError as error:
        found = str(error).removeprefix(f"{log}: ")
    if not found:
        return result
    shutil.copyfile(log, kept)
    samples = log.with_suffix(".samples.json")
    if samples.is_file():
        shutil.copyfile(samples, kept.with_suffix(".samples.json"))
    report_progress(f"{log}: {found}; measuring once more, that log is {kept}")
    return measure({REPEATED: f"{' '.join(found.split())}; that log is {kept}"})
