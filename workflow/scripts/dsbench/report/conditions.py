"""What bound a measured number and what disturbed it, from the samples of the run and the tool's own lines."""

from pathlib import Path

from dsbench.report.text import count
from dsbench.tools.disturbed_run import REPEATED, disturbances
from dsbench.tools.run_samples import POWER_CAP, read_summary
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


def trtexec_conditions(measurement: Measurement, log: Path) -> dict:
    """Return the `conditions` of a trtexec measurement: what bound it, its disturbances, its samples."""
    samples = read_summary(log)
    return _conditions(*_trtexec_bound(measurement, samples), samples, log)


def run_conditions(log: Path) -> dict:
    """Return the `conditions` of a deepstream-app run."""
    samples = read_summary(log)
    return _conditions(*_sampled_bound(samples), samples, log)


def contradiction(run1: dict, run2: dict | None) -> str | None:
    """Return in a sentence how two runs of the same streams differ by more than a machine does from itself, or None."""
    if run2 is None or run1["streams"] != run2["streams"]:
        return None
    ratio = run2["total_fps"] / run1["total_fps"]
    if 1 / SAME_RUN_RATIO <= ratio <= SAME_RUN_RATIO:
        return None
    return (
        f"Both runs had {count(run1['streams'], 'stream')}, but run 2's total was {ratio:.2f} times run 1's: something"
        " else used this machine; measure again."
    )


def _conditions(bound_by: str | None, because: str | None, samples: dict | None, log: Path) -> dict:
    gpu = samples and samples["gpu"]
    capped_pct = gpu["throttled_pct"].get(POWER_CAP) if gpu and gpu["throttled_pct"] else None
    if because and capped_pct:
        because += f"; the power limit held the GPU's clock in {capped_pct:g} % of the samples"
    return {
        "bound_by": bound_by,
        "because": because,
        "disturbances": disturbances(samples),
        "repeated": _repeated(log),
        "samples": samples,
    }


def _repeated(log: Path) -> str | None:
    """Return why the measurement of `log` is a second one, None for a first one."""
    head = f"# {REPEATED}: "
    lines = log.read_text(errors="replace").splitlines()
    return next((line.removeprefix(head) for line in lines if line.startswith(head)), None)


def _trtexec_bound(measurement: Measurement, samples: dict | None) -> tuple[str | None, str | None]:
    for words, unit in TRTEXEC_WARNINGS.items():
        if warning := next((text for text in measurement.warnings if words in text), None):
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


def _sampled_bound(samples: dict | None) -> tuple[str | None, str | None]:
    """Return the busiest unit at its limit, and the figures that say so; None, None if not sampled.

    A GPU that was never idle did not wait for the processors, whatever else kept those busy.
    """
    busy = {}
    for unit, (key, name) in UNITS.items():
        if samples and samples["gpu"] and samples["gpu"][key]:
            busy[unit] = (samples["gpu"][key]["mean"], name)
    if samples and samples["cpu_pct"]:
        busy["cpu"] = (samples["cpu_pct"]["mean"], "the processors")
    if not busy:
        return None, None
    figures = ", ".join(f"{name} {pct:.0f} %" for pct, name in busy.values())
    at_limit = [unit for unit in busy if busy[unit][0] >= LIMIT_PCT]
    if not at_limit:
        return None, f"nothing was at its limit; busy: {figures}"
    return max(at_limit, key=lambda unit: (unit in UNITS, busy[unit][0])), f"busy: {figures}"
