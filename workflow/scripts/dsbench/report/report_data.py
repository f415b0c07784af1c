"""Read benchmark_data.json and refuse one that a report cannot be made from."""

import math
from pathlib import Path

import msgspec

from dsbench.chain.measured_chain import peak_gpu_streams
from dsbench.chain.sweep import Sweep
from dsbench.core.errors import BuildError
from dsbench.core.files import ForeignFileError, read_bounded
from dsbench.core.records import LONGEST_SHOWN, numbers_in
from dsbench.report.report_records import (
    BenchmarkData,
    DeepStreamResults,
    ReportedChecks,
    TrtexecRate,
)

# Higher where a key is renamed or gone, so that the data of another version are told as such.
SCHEMA_VERSION = 2
TEMPLATES = Path(__file__).parent / "templates"
# With a row for each of 20,000 classes, and the place of each number, it has some 40 MB.
LARGEST_BYTES = 64 << 20
RATE_TOLERANCE = 1e-6
PERCENT_TOLERANCE = 0.1


class ReportDataError(BuildError):
    """Benchmark data that lack a required value or contradict themselves."""


class _Fault(Exception):
    """What is wrong with benchmark data, in words that do not name their file."""


def read_data(path: Path) -> BenchmarkData:
    """Return the checked contents of the benchmark_data.json at `path`.

    It may be another user's. Raises ReportDataError for what is no plain file, too large or broken, and for whatever
    `check_data` refuses.
    """
    try:
        return check_data(msgspec.json.decode(read_bounded(path, LARGEST_BYTES)), str(path))
    except ForeignFileError as error:
        raise ReportDataError(
            f"{error}; expected a plain file of at most {LARGEST_BYTES >> 20} MiB: remake it."
        ) from None
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise ReportDataError(f"{path}: not JSON ({error}); remake the file.") from None


def check_data(found: object, name: str = "benchmark_data.json") -> BenchmarkData:
    """Return what the JSON file `name` holds as the record that it is.

    Raises ReportDataError, naming the place, unless it has the declared values and these fit each other.
    """
    try:
        data = _converted(found)
        _refuse_contradictions(found, data)
    except _Fault as error:
        raise ReportDataError(f"{name}: {error}; remake the file.") from None
    return data


def _converted(found: object) -> BenchmarkData:
    version = found.get("schema_version") if isinstance(found, dict) else None
    if version != SCHEMA_VERSION:
        raise _Fault(
            f"schema_version is {repr(version)[:LONGEST_SHOWN]}, expected {SCHEMA_VERSION}: another version of this"
            " project wrote it"
        )
    try:
        return msgspec.convert(found, BenchmarkData)
    except msgspec.ValidationError as error:
        raise _Fault(str(error)[:LONGEST_SHOWN]) from None


def _refuse_contradictions(found: object, data: BenchmarkData) -> None:
    for pointer, value, _ in numbers_in(found):
        if not math.isfinite(value):
            raise _Fault(f"{pointer} is {value}, expected a finite number or null")
    _refuse_failed(data.validation)
    _refuse_wrong_peak(data)
    for name, rate in (("bs1", data.trtexec.bs1), ("bsmax", data.trtexec.bsmax)):
        _refuse_wrong_rate(name, rate)
    _refuse_wrong_verdict(data.deepstream, data.peak_gpu_streams, data.target_fps)
    _refuse_wrong_efficiency(data)
    if data.sweep:
        _refuse_wrong_sweep(data.sweep)


def _refuse_failed(checks: ReportedChecks) -> None:
    for name in ("agreement", "accuracy", "batch_slots"):
        if not getattr(checks, name).passed:
            raise _Fault(
                f"validation.{name}.passed is false, expected true: no run follows a check that failed"
            )


def _refuse_wrong_peak(data: BenchmarkData) -> None:
    max_bs, steps = data.max_bs, data.trtexec.doubling
    for step in steps:
        batch, peak = step.batch, step.peak_gpu_streams
        expected = peak_gpu_streams(step.qps, batch, data.target_fps)
        if peak != expected:
            raise _Fault(
                f"batch {batch} has PEAK_GPU_STREAMS {peak}, expected {expected} from {step.qps} batches/s at"
                f" {data.target_fps:g} FPS"
            )
        if (peak <= batch or batch == max_bs) != (step is steps[-1]):
            raise _Fault(
                f"batch {batch} with PEAK {peak} is out of place, expected doubling while PEAK is above the batch, up"
                f" to MAX_BS {max_bs}"
            )
    if (steps[-1].batch, steps[-1].peak_gpu_streams) != (max_bs, data.peak_gpu_streams):
        raise _Fault(
            f"MAX_BS {max_bs} with PEAK {data.peak_gpu_streams}, expected the last doubling step, {steps[-1]}"
        )


def _refuse_wrong_rate(name: str, rate: TrtexecRate) -> None:
    expected = rate.qps * rate.batch
    if not math.isclose(rate.imgs_per_sec, expected, rel_tol=RATE_TOLERANCE):
        raise _Fault(f"trtexec.{name}.imgs_per_sec is {rate.imgs_per_sec}, expected {expected} (qps x batch)")


def _refuse_wrong_verdict(deepstream: DeepStreamResults, peak: int, target_fps: float) -> None:
    runs = [("run1", deepstream.run1), *([("run2", deepstream.run2)] if deepstream.run2 else [])]
    for name, run in runs:
        expected = run.total_fps / run.streams
        if not math.isclose(run.fps_per_stream, expected, rel_tol=RATE_TOLERANCE):
            raise _Fault(f"deepstream.{name}.fps_per_stream is {run.fps_per_stream}, expected {expected}")
        slowest = run.fps_per_stream if run.min_stream_fps is None else run.min_stream_fps
        if run.real_time != (slowest >= target_fps):
            raise _Fault(
                f"deepstream.{name}.real_time is {run.real_time}, but its slowest stream had {slowest}"
            )
    is_real_time = min(peak, deepstream.rt_streams or 0) > 0 and any(run.real_time for _, run in runs)
    if deepstream.real_time != is_real_time:
        raise _Fault(
            f"deepstream.real_time is {deepstream.real_time}, PEAK, RT_STREAMS and its runs say otherwise"
        )


def _refuse_wrong_efficiency(data: BenchmarkData) -> None:
    found, runs = data.efficiency, data.deepstream
    reference, measured = found.reference_imgs_per_sec, data.trtexec.bsmax.imgs_per_sec
    if reference != measured:
        raise _Fault(
            f"efficiency.reference_imgs_per_sec is {reference}, expected trtexec's {measured} at MAX_BS"
        )
    for name, run, pct in (("run1", runs.run1, found.run1_pct), ("run2", runs.run2, found.run2_pct)):
        if run is None or pct is None:
            continue
        expected = 100 * run.total_fps / reference
        if abs(pct - expected) > PERCENT_TOLERANCE:
            raise _Fault(f"efficiency.{name}_pct is {pct}, expected {expected:.2f} from the total FPS")


def _refuse_wrong_sweep(sweep: Sweep) -> None:
    prediction = sweep.prediction
    runs = [run for run in (*prediction.finished, *sweep.runs) if run.streams <= prediction.most]
    missed = {run.streams for run in runs if not run.holds}
    expected = max({run.streams for run in runs} - missed, default=None)
    if sweep.bs_opt != expected:
        raise _Fault(f"sweep.bs_opt is {sweep.bs_opt}, expected {expected} from the runs that held the rate")
    missed |= {limit.size for limit in sweep.unheld}
    expected = min((streams for streams in missed if streams > (expected or 0)), default=None)
    if sweep.missed_from != expected:
        raise _Fault(f"sweep.missed_from is {sweep.missed_from}, expected {expected} from its runs")
