"""What bound a measured number and what disturbed it, by the run's samples and the tool's own lines, and in a table."""

from collections.abc import Sequence
from pathlib import Path

from dsbench.report.report_records import Conditions, DeepStreamRun
from dsbench.report.text import NOT_MEASURED, Markdown, count, number, text
from dsbench.tools.disturbed_run import REPEATED, disturbances
from dsbench.tools.run_samples import GpuSummary, OtherProcess, SampledRange, SampleSummary, read_summary
from dsbench.trtexec.log import Measurement

# A unit busy for this share of a run has nothing left to give; the rest is start and end of single samples.
LIMIT_PCT = 90
TRTEXEC_WARNINGS = {
    "bound by Enqueue Time": "enqueue",
    "bound by host-to-device": "transfers",
    "bound by device-to-host": "transfers",
}
UNITS = {
    "compute": ("sm_pct", "the GPU's SMs"),
    "decode": ("nvdec_pct", "NVDEC"),
    "memory": ("memory_pct", "the GPU's memory"),
}
# Two runs of the same streams differ by less than this on a machine that does nothing else.
SAME_RUN_RATIO = 1.2
GPU_FIGURES = (
    ("GPU SM clock (MHz)", "sm_clock_mhz"),
    ("GPU memory clock (MHz)", "memory_clock_mhz"),
    ("GPU power (W)", "power_w"),
    ("GPU temperature (°C)", "temperature_c"),
    ("SM utilisation (%)", "sm_pct"),
    ("NVDEC utilisation (%)", "nvdec_pct"),
    ("GPU memory utilisation (%)", "memory_pct"),
    ("GPU memory in use (MiB)", "memory_used_mib"),
)


def trtexec_conditions(measurement: Measurement, log: Path) -> Conditions:
    """Return what bound a trtexec measurement, its disturbances, its samples."""
    samples = read_summary(log)
    return _conditions(*_trtexec_bound(measurement, samples), samples, log)


def run_conditions(log: Path) -> Conditions:
    """Return the conditions of a deepstream-app run."""
    samples = read_summary(log)
    return _conditions(*_sampled_bound(samples), samples, log)


def contradiction(run1: DeepStreamRun, run2: DeepStreamRun | None) -> str | None:
    """Return in a sentence how two runs of the same streams differ by more than a machine does from itself, or None."""
    if run2 is None or run1.streams != run2.streams:
        return None
    ratio = run2.total_fps / run1.total_fps
    if 1 / SAME_RUN_RATIO <= ratio <= SAME_RUN_RATIO:
        return None
    return (
        f"Both runs had {count(run1.streams, 'stream')}, but run 2's total was {ratio:.2f} times run 1's: something"
        " else used this machine; measure again."
    )


def _conditions(
    bound_by: str | None, because: str | None, samples: SampleSummary | None, log: Path
) -> Conditions:
    capped_pct = samples.gpu.power_capped_pct if samples and samples.gpu else None
    if because and capped_pct:
        because += f"; the power limit held the GPU's clock in {capped_pct:g} % of the samples"
    return Conditions(bound_by, because, disturbances(samples), _repeated(log), samples)


def _repeated(log: Path) -> str | None:
    """Return why the measurement of `log` is a second one, None for a first one."""
    head = f"# {REPEATED}: "
    lines = log.read_text(errors="replace").splitlines()
    return next((line.removeprefix(head) for line in lines if line.startswith(head)), None)


def _trtexec_bound(measurement: Measurement, samples: SampleSummary | None) -> tuple[str | None, str | None]:
    for words, unit in TRTEXEC_WARNINGS.items():
        if warning := next((said for said in measurement.warnings if words in said), None):
            return unit, f"trtexec says: {warning}"
    computed_pct = 100 * measurement.queries_per_s * measurement.gpu_ms["mean"] / 1000
    said = f"computing took {computed_pct:.0f} % of the measured time"
    if computed_pct >= LIMIT_PCT:
        return "compute", said
    busiest, because = _sampled_bound(samples)
    return (
        (busiest, f"{said}; {because}")
        if busiest == "cpu"
        else (None, f"{said}, nothing else was at its limit")
    )


def _sampled_bound(samples: SampleSummary | None) -> tuple[str | None, str | None]:
    """Return the busiest unit at its limit, and the figures that say so; None, None if not sampled.

    A GPU that was never idle did not wait for the processors, whatever else kept those busy.
    """
    busy = {}
    for unit, (series, name) in UNITS.items():
        if samples and samples.gpu and (sampled := getattr(samples.gpu, series)):
            busy[unit] = (sampled.mean, name)
    if samples and samples.cpu_pct:
        busy["cpu"] = (samples.cpu_pct.mean, "the processors")
    if not busy:
        return None, None
    figures = ", ".join(f"{name} {pct:.0f} %" for pct, name in busy.values())
    at_limit = [unit for unit in busy if busy[unit][0] >= LIMIT_PCT]
    if not at_limit:
        return None, f"nothing was at its limit; busy: {figures}"
    return max(at_limit, key=lambda unit: (unit in UNITS, busy[unit][0])), f"busy: {figures}"


def condition_rows(runs: Sequence[Conditions], kind: str = "nvidia") -> list[tuple[str, list[Markdown]]]:
    """Return table rows, a title with one cell for the conditions of each run.

    Ranges read `mean (min to max)`. A run of the embedded runtime (`kind`) has no rows of a GPU; of another one,
    without any sample of a GPU, one row says so.
    """
    gpus = [run.gpu for run in runs]
    rows = [
        ("Bound by", [bound(run) for run in runs]),
        # Only a GPU's samples tell what disturbed a run.
        *([("Disturbed", [_disturbed(run) for run in runs])] if kind == "nvidia" else []),
        ("Measured again", [text(run.repeated or "no") for run in runs]),
        ("CPU utilisation (%)", [_range(run.samples.cpu_pct if run.samples else None) for run in runs]),
    ]
    if kind == "embedded":
        return rows
    if not any(gpus):
        return [*rows, ("GPU samples", [Markdown(NOT_MEASURED) for _ in gpus])]
    rows += [
        ("GPU measured on", [_device(gpu) for gpu in gpus]),
        ("MPS", [_answer(gpu.mps if gpu else None) for gpu in gpus]),
        ("On other MIG instances", [_names(gpu.mig_neighbours if gpu else None) for gpu in gpus]),
    ]
    for title, series in GPU_FIGURES:
        rows.append((title, [_range(getattr(gpu, series) if gpu else None) for gpu in gpus]))
    return rows


def bound(conditions: Conditions) -> Markdown:
    """Return what bound a run, with the figures that say so."""
    if conditions.because is None:
        return Markdown(NOT_MEASURED)
    return text(f"{conditions.bound_by or 'nothing found'}: {conditions.because}")


def _disturbed(conditions: Conditions) -> Markdown:
    if conditions.disturbances is None:
        return Markdown(NOT_MEASURED)
    return text("; ".join(conditions.disturbances)) if conditions.is_disturbed else Markdown("no")


def _device(gpu: GpuSummary | None) -> Markdown:
    if gpu is None or gpu.device.uuid is None:
        return Markdown(NOT_MEASURED)
    return text(f"{gpu.device.mig or gpu.device.name}, index {gpu.device.index}, {gpu.device.uuid}")


def _answer(value: bool | None) -> Markdown:
    return Markdown(NOT_MEASURED if value is None else "yes" if value else "no")


def _names(processes: Sequence[OtherProcess] | None) -> Markdown:
    if processes is None:
        return Markdown(NOT_MEASURED)
    return text(", ".join(f"{each.name} ({each.pid})" for each in processes) or "nothing")


def _range(values: SampledRange | None) -> Markdown:
    if values is None:
        return Markdown(NOT_MEASURED)
    # All three stand in one line, so that one note tells of them.
    low, mean, high = (number(value) for value in (float(values.min), values.mean, float(values.max)))
    return Markdown(f"{mean} ({low} to {high})")
