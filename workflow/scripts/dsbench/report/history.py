"""A model's history: what each report measured with which toolchain, and what changed since the last one."""

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from dsbench.boxes.matching import Rates
from dsbench.core.errors import BuildError
from dsbench.core.files import write_whole
from dsbench.core.records import as_json
from dsbench.machine.node_facts import fact_change
from dsbench.report.report_records import AnyRun, BenchmarkData, LatencyNumbers, RateNumbers, RunNumbers

K = TypeVar("K")
COVERAGE_FACTOR = 2
# Of a normal distribution: what lies between the median and a percentile, in standard deviations.
P95_FACTOR, P99_FACTOR = 1.645, 2.326
# Of an entry's shape: entries of another one stay in the file and are not compared.
SCHEMA = 1
KEY_DIGITS = 12
NO_DIFFERENCE = "no difference"
NOISE = "inside the noise"


def latency_spread_ms(rate: RateNumbers) -> float | None:
    """Return the standard uncertainty of a latency in ms, from its highest known percentile up to 95; else 99.

    It is that of a single batch, not of the mean over thousands: those of one run share its clock and temperature,
    which the next run has otherwise.
    """
    if rate.gpu_median_ms is None:
        return None
    highest, factor = (rate.p99_ms, P99_FACTOR) if rate.p95_ms is None else (rate.p95_ms, P95_FACTOR)
    return max(highest - rate.gpu_median_ms, 0.0) / factor


def rate_spread(rate: RateNumbers) -> float | None:
    """Return the standard uncertainty of trtexec's images/s: in percent it is that of the latency."""
    spread_ms = latency_spread_ms(rate)
    return None if spread_ms is None else rate.imgs_per_sec * spread_ms / rate.gpu_mean_ms


def frame_spread_ms(latency: LatencyNumbers) -> float:
    """Return the standard uncertainty of the latency of a frame in ms; it is that of a single frame, as of a batch."""
    return max(latency.p95_ms - latency.p50_ms, 0.0) / P95_FACTOR


def run_spread(run: RunNumbers) -> float | None:
    """Return the standard uncertainty of a DeepStream run's total frames/s: the deviation of its windows."""
    return None if run.cov_pct is None else run.total_fps * run.cov_pct / 100


def share_spread(share: float | None, boxes: int) -> float | None:
    """Return the binomial standard deviation of a share, 0 to 1, counted over `boxes`."""
    return None if share is None or not boxes else math.sqrt(share * (1 - share) / boxes)


def is_noise(before: float, now: float, spreads: tuple[float, float]) -> bool:
    """Return whether a difference is within the combined uncertainty of both figures."""
    return abs(now - before) <= COVERAGE_FACTOR * math.hypot(*spreads)


@dataclass(frozen=True)
class AnyEntry:
    """What a line of history.jsonl has, whatever its `schema`; `toolchain` is a hash of the facts."""

    schema: int
    toolchain: str
    measured_utc: str


@dataclass(frozen=True)
class KeptRate(RateNumbers):
    """What is kept of a measurement of trtexec."""

    disturbances: list[str] | None


@dataclass(frozen=True)
class KeptRun(RunNumbers):
    """What is kept of a run of deepstream-app."""

    disturbances: list[str] | None


@dataclass(frozen=True)
class KeptLatency(LatencyNumbers):
    """What is kept of the run that measured the latency."""

    disturbances: list[str] | None


@dataclass(frozen=True, kw_only=True)
class KeptFigures:
    """The figures that are kept of a report; entries from before latency was measured lack it."""

    max_bs: int
    peak_gpu_streams: int
    rt_streams: int | None
    bs1: KeptRate
    bsmax: KeptRate
    run1: KeptRun
    run2: KeptRun | None
    latency: KeptLatency | None = None
    agreement: Rates
    ground_truth: Rates | None


@dataclass(frozen=True)
class Entry(AnyEntry):
    """What is kept of one benchmark_data.json, and the toolchain's `facts` by name.

    `same` is what two entries must share for their difference to be the toolchain's.
    """

    facts: dict[str, Any]
    same: dict[str, Any]
    figures: KeptFigures


@dataclass(frozen=True)
class ChangedFact:
    """A fact of the toolchain in words."""

    name: str
    before: str
    now: str


@dataclass(frozen=True)
class FigureRow:
    """A row of the report's table: a figure of two entries, each with its standard uncertainty; None if unknown."""

    title: str
    decimals: int
    before: float | None
    before_spread: float | None
    now: float | None
    now_spread: float | None
    change_pct: float | None
    verdict: str


@dataclass(frozen=True)
class Difference:
    """What changed since the entry of `measured_utc`; `also_changed` names what is not the toolchain's."""

    measured_utc: str
    facts: list[ChangedFact]
    also_changed: list[str]
    rows: list[FigureRow]


def history_entry(data: BenchmarkData, facts: Mapping[str, Any]) -> Entry:
    """Return what is kept of benchmark_data.json."""
    text = json.dumps(dict(facts), sort_keys=True)
    trt, runs, checks = data.trtexec, data.deepstream, data.validation
    return Entry(
        schema=SCHEMA,
        toolchain=hashlib.sha256(text.encode()).hexdigest()[:KEY_DIGITS],
        facts=dict(facts),
        measured_utc=data.measured_utc,
        same={
            "ONNX": data.model.onnx_sha256,
            "video": data.video.sha256,
            "precision": data.engines[-1].precision,
            "threshold": data.preprocessing.pre_cluster_threshold,
            "target FPS": data.target_fps,
            "length of the measurements": [trt.duration_s, trt.warm_up_ms, runs.interval_s],
        },
        figures=KeptFigures(
            max_bs=data.max_bs,
            peak_gpu_streams=data.peak_gpu_streams,
            rt_streams=runs.rt_streams,
            bs1=_kept(trt.bs1, KeptRate),
            bsmax=_kept(trt.bsmax, KeptRate),
            run1=_kept(runs.run1, KeptRun),
            run2=_kept(runs.run2, KeptRun) if runs.run2 else None,
            latency=_kept(runs.latency, KeptLatency) if runs.latency else None,
            agreement=msgspec.convert(vars(checks.agreement), Rates),
            ground_truth=checks.ground_truth and msgspec.convert(vars(checks.ground_truth), Rates),
        ),
    )


def _kept(part: AnyRun, kind: type[K]) -> K:
    """Return the numbers of a measurement and what disturbed it; the rest is said in words or stands elsewhere."""
    return msgspec.convert(vars(part) | vars(part.conditions), kind)


def read_history(file: Path) -> list[AnyEntry]:
    """Return the entries of `file`, the oldest first; [] where there is none. Those of SCHEMA are whole."""
    return [_entry(line, f"{file}: line {number}") for number, line in enumerate(_lines(file), 1)]


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.is_file() else []


def _entry(line: str, place: str) -> AnyEntry:
    try:
        found = msgspec.json.decode(line, type=AnyEntry)
        return msgspec.json.decode(line, type=Entry) if found.schema == SCHEMA else found
    except msgspec.ValidationError as error:
        raise BuildError(f"{place} is no entry of a history ({error}); remove that line") from None
    except msgspec.DecodeError as error:
        raise BuildError(f"{place} is not JSON ({error}); remove that line") from None


def append_entry(file: Path, entry: Entry) -> list[AnyEntry]:
    """Add `entry` to `file` unless that measurement is in it, and return all entries; no line is half written."""
    lines, entries = _lines(file), read_history(file)
    identity = (entry.toolchain, entry.measured_utc)
    if identity not in [(each.toolchain, each.measured_utc) for each in entries]:
        entries.append(entry)
        lines.append(json.dumps(as_json(entry), allow_nan=False))
    write_whole(file, "".join(f"{line}\n" for line in lines))
    return entries


def last_other(entries: Sequence[AnyEntry], entry: Entry) -> Entry | None:
    """Return the newest entry of another toolchain than that of `entry`, None where there is none."""
    others = [each for each in entries if isinstance(each, Entry) and each.toolchain != entry.toolchain]
    return others[-1] if others else None


def _precision_spread(rates: Rates) -> float | None:
    return share_spread(rates.precision, rates.true_positives + rates.false_positives)


def _recall_spread(rates: Rates) -> float | None:
    return share_spread(rates.recall, rates.true_positives + rates.false_negatives)


@dataclass(frozen=True)
class Figure:
    """A row of the table: the number `name` in a `part` of the kept figures, with its `spread`.

    Less of a latency is better, and it is compared at the same `size` only. A row of `streams` shows that number, which
    is rounded down from `name`, over the target rate, and has its noise.
    """

    title: str
    part: str
    name: str
    spread: Callable[[Any], float | None]
    decimals: int = 1
    size: str | None = None
    is_latency: bool = False
    streams: str | None = None


FIGURES = (
    Figure("trtexec, latency in ms at batch 1", "bs1", "gpu_mean_ms", latency_spread_ms, 3, is_latency=True),
    Figure("trtexec, images/s at batch 1", "bs1", "imgs_per_sec", rate_spread),
    Figure(
        "trtexec, latency in ms at MAX_BS",
        "bsmax",
        "gpu_mean_ms",
        latency_spread_ms,
        3,
        size="batch",
        is_latency=True,
    ),
    Figure("trtexec, images/s at MAX_BS", "bsmax", "imgs_per_sec", rate_spread, size="batch"),
    Figure("PEAK_GPU_STREAMS", "bsmax", "imgs_per_sec", rate_spread, 0, streams="peak_gpu_streams"),
    Figure("DeepStream, total FPS of run 1", "run1", "total_fps", run_spread, size="streams"),
    Figure("DeepStream, total FPS of run 2", "run2", "total_fps", run_spread, size="streams"),
    *(
        Figure(
            f"DeepStream, latency of a frame in ms, {percentile}",
            "latency",
            f"{percentile}_ms",
            frame_spread_ms,
            size="streams",
            is_latency=True,
        )
        for percentile in ("p50", "p99")
    ),
    Figure("RT_STREAMS", "run1", "total_fps", run_spread, 0, streams="rt_streams"),
    Figure("Agreement with the reference, precision", "agreement", "precision", _precision_spread, 3),
    Figure("Agreement with the reference, recall", "agreement", "recall", _recall_spread, 3),
    Figure("Ground truth, precision", "ground_truth", "precision", _precision_spread, 3),
    Figure("Ground truth, recall", "ground_truth", "recall", _recall_spread, 3),
)


def toolchain_difference(before: Entry | None, now: Entry) -> Difference | None:
    """Return what the report's table shows, from two entries of the history; None without an earlier one."""
    if before is None:
        return None
    names = dict.fromkeys(chain(before.facts, now.facts))
    facts = [
        ChangedFact(name, *fact_change(old, new))
        for name in names
        if (old := before.facts.get(name)) != (new := now.facts.get(name))
    ]
    return Difference(
        measured_utc=before.measured_utc,
        facts=facts,
        also_changed=[key for key, value in now.same.items() if before.same.get(key) != value],
        rows=[row for figure in FIGURES if (row := _row(figure, before, now)) is not None],
    )


@dataclass(frozen=True)
class _Told:
    """What an entry tells of a figure: the `value` that is shown, and the `number` it is from, with its spread."""

    value: float | None
    number: float
    spread: float | None
    size: int | None
    is_disturbed: bool


def _told(figure: Figure, entry: Entry) -> _Told | None:
    part = getattr(entry.figures, figure.part)
    if part is None:
        return None
    number, spread = getattr(part, figure.name), figure.spread(part)
    size = getattr(part, figure.size) if figure.size else None
    is_disturbed = not isinstance(part, Rates) and bool(part.disturbances)
    if figure.streams is None:
        return _Told(number, number, spread, size, is_disturbed)
    streams, target_fps = getattr(entry.figures, figure.streams), entry.same["target FPS"]
    spread = None if spread is None else spread / target_fps
    return _Told(streams, number / target_fps, spread, size, is_disturbed)


def _row(figure: Figure, before: Entry, now: Entry) -> FigureRow | None:
    old, new = _told(figure, before), _told(figure, now)
    if old is None or new is None:
        return None
    sizes = ", now ".join(dict.fromkeys([str(old.size), str(new.size)]))
    return FigureRow(
        title=f"{figure.title} ({figure.size} {sizes})" if figure.size else figure.title,
        decimals=figure.decimals,
        before=old.value,
        before_spread=old.spread,
        now=new.value,
        now_spread=new.spread,
        change_pct=100 * (new.value / old.value - 1) if old.value and new.value is not None else None,
        verdict=_verdict(figure, old, new),
    )


def _verdict(figure: Figure, old: _Told, new: _Told) -> str:
    """Return better, worse, or why that cannot be said."""
    if old.value is None or new.value is None:
        return "not compared: not measured in both"
    if why := _not_comparable(figure, old, new):
        return f"not compared: {why}"
    if old.value == new.value:
        return NO_DIFFERENCE
    if old.spread is None or new.spread is None:
        return "not compared: no spread was measured"
    if is_noise(old.number, new.number, (old.spread, new.spread)):
        return NOISE
    return "worse" if (new.value > old.value) is figure.is_latency else "better"


def _not_comparable(figure: Figure, old: _Told, new: _Told) -> str | None:
    if figure.is_latency and old.size != new.size:
        return f"another {figure.size}"
    disturbed = [when for told, when in ((old, "before"), (new, "now")) if told.is_disturbed]
    return f"disturbed {' and '.join(disturbed)}" if disturbed else None
