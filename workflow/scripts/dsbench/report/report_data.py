"""Read benchmark_data.json and refuse one that a report cannot be made from."""

import json
import math
from pathlib import Path

from dsbench.chain.measured_chain import peak_gpu_streams
from dsbench.core.errors import BuildError
from dsbench.core.files import ForeignFileError, read_bounded

TEMPLATES = Path(__file__).parent / "templates"
SCHEMA = TEMPLATES / "benchmark_data.schema.json"
# In the order of the report.
CHART_NAMES = (
    "chart_trtexec_bs1_vs_bsmax",
    "chart_trtexec_throughput",
    "chart_ds_streams_vs_fps",
    "chart_trt_vs_ds",
    "chart_efficiency",
)
# With a row for each of 20,000 classes, and the place of each number, it has some 40 MB.
LARGEST_BYTES = 64 << 20
RATE_TOLERANCE = 1e-6
PERCENT_TOLERANCE = 0.1


class ReportDataError(BuildError):
    """Benchmark data that lack a required value or contradict themselves."""


def read_data(path: Path) -> dict:
    """Return the checked contents of the benchmark_data.json at `path`.

    It may be another user's. Raises ReportDataError for what is no plain file, too large or broken, and for whatever
    `check_data` refuses.
    """
    try:
        data = json.loads(read_bounded(path, LARGEST_BYTES))
    except ForeignFileError as error:
        raise ReportDataError(
            f"{error}; expected a plain file of at most {LARGEST_BYTES >> 20} MiB: remake it."
        ) from None
    except (ValueError, RecursionError) as error:
        raise ReportDataError(f"{path}: not JSON ({error}); remake the file.") from None
    check_data(data)
    return data


def check_data(data: dict) -> None:
    """Raise ReportDataError, naming the place, unless `data`, as JSON holds them, fit the schema and each other."""
    # It loads slowly, and most that import this module check nothing.
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    # The schema knows JSON's types: to it a tuple is no array, and in the file it is one.
    data = json.loads(json.dumps(data, default=_refuse_without_json))
    validator = Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    error = best_match(validator.iter_errors(data))
    if error is not None:
        place = ".".join(str(part) for part in error.absolute_path) or "top level"
        raise _fault(f"{place}: {error.message[:200]}")
    _refuse_infinite(data, "")
    _refuse_wrong_peak(data)
    _refuse_wrong_rates(data["trtexec"])
    _refuse_wrong_verdict(data["deepstream"], data["peak_gpu_streams"], data["target_fps"])
    _refuse_wrong_efficiency(data)
    if data.get("sweep"):
        _refuse_wrong_sweep(data["sweep"])


def _fault(sentence: str) -> ReportDataError:
    return ReportDataError(f"benchmark_data.json: {sentence}; remake the file.")


def _refuse_without_json(value: object) -> None:
    raise _fault(f"{repr(value)[:80]} is a {type(value).__name__}, expected what JSON can hold")


def _refuse_infinite(value: object, place: str) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise _fault(f"{place[1:]} is {value}, expected a finite number or null")
    if isinstance(value, dict | list):
        for key, entry in value.items() if isinstance(value, dict) else enumerate(value):
            _refuse_infinite(entry, f"{place}.{key}")


def _refuse_wrong_peak(data: dict) -> None:
    max_bs, steps = data["max_bs"], data["trtexec"]["doubling"]
    for step in steps:
        batch, peak = step["batch"], step["peak_gpu_streams"]
        expected = peak_gpu_streams(step["qps"], batch, data["target_fps"])
        if peak != expected:
            raise _fault(
                f"batch {batch} has PEAK_GPU_STREAMS {peak}, expected {expected} from {step['qps']} "
                f"batches/s at {data['target_fps']:g} FPS"
            )
        if (peak <= batch or batch == max_bs) != (step is steps[-1]):
            raise _fault(
                f"batch {batch} with PEAK {peak} is out of place, expected doubling while PEAK is above the "
                f"batch, up to MAX_BS {max_bs}"
            )
    if (steps[-1]["batch"], steps[-1]["peak_gpu_streams"]) != (max_bs, data["peak_gpu_streams"]):
        raise _fault(
            f"MAX_BS {max_bs} with PEAK {data['peak_gpu_streams']}, expected the last doubling step, "
            f"{steps[-1]}"
        )


def _refuse_wrong_rates(trtexec: dict) -> None:
    for name in ("bs1", "bsmax"):
        rate = trtexec[name]
        expected = rate["qps"] * rate["batch"]
        if not math.isclose(rate["imgs_per_sec"], expected, rel_tol=RATE_TOLERANCE):
            raise _fault(
                f"trtexec.{name}.imgs_per_sec is {rate['imgs_per_sec']}, expected {expected} (qps x batch)"
            )


def _refuse_wrong_verdict(deepstream: dict, peak: int, target_fps: float) -> None:
    runs = {name: deepstream[name] for name in ("run1", "run2") if deepstream[name] is not None}
    for name, run in runs.items():
        expected = run["total_fps"] / run["streams"]
        if not math.isclose(run["fps_per_stream"], expected, rel_tol=RATE_TOLERANCE):
            raise _fault(f"deepstream.{name}.fps_per_stream is {run['fps_per_stream']}, expected {expected}")
        slowest = run["fps_per_stream"] if run["min_stream_fps"] is None else run["min_stream_fps"]
        if run["real_time"] != (slowest >= target_fps):
            raise _fault(
                f"deepstream.{name}.real_time is {run['real_time']}, but its slowest stream had {slowest}"
            )
    expected = min(peak, deepstream["rt_streams"] or 0) > 0 and any(run["real_time"] for run in runs.values())
    if deepstream["real_time"] != expected:
        raise _fault(
            f"deepstream.real_time is {deepstream['real_time']}, PEAK, RT_STREAMS and its runs say otherwise"
        )


def _refuse_wrong_efficiency(data: dict) -> None:
    reference, measured = (
        data["efficiency"]["reference_imgs_per_sec"],
        data["trtexec"]["bsmax"]["imgs_per_sec"],
    )
    if reference != measured:
        raise _fault(
            f"efficiency.reference_imgs_per_sec is {reference}, expected trtexec's {measured} at MAX_BS"
        )
    for name in ("run1", "run2"):
        run, found = data["deepstream"][name], data["efficiency"][f"{name}_pct"]
        if run is None or found is None:
            continue
        expected = 100 * run["total_fps"] / data["efficiency"]["reference_imgs_per_sec"]
        if abs(found - expected) > PERCENT_TOLERANCE:
            raise _fault(f"efficiency.{name}_pct is {found}, expected {expected:.2f} from the total FPS")


def _refuse_wrong_sweep(sweep: dict) -> None:
    prediction = sweep["prediction"]
    runs = [run for run in (*prediction["finished"], *sweep["runs"]) if run["streams"] <= prediction["most"]]
    missed = {run["streams"] for run in runs if not run["holds"]}
    expected = max({run["streams"] for run in runs} - missed, default=None)
    if sweep["bs_opt"] != expected:
        raise _fault(
            f"sweep.bs_opt is {sweep['bs_opt']}, expected {expected} from the runs that held the rate"
        )
    missed |= {limit["size"] for limit in sweep["unheld"]}
    expected = min((streams for streams in missed if streams > (expected or 0)), default=None)
    if sweep["missed_from"] != expected:
        raise _fault(f"sweep.missed_from is {sweep['missed_from']}, expected {expected} from its runs")
