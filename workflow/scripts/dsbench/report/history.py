"""A model's history: what each report measured with which toolchain, and what changed since the last one."""

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec

from dsbench.core.errors import BuildError
from dsbench.core.files import write_whole
from dsbench.core.records import as_json
from dsbench.machine.node_facts import fact_change

COVERAGE_FACTOR = 2
# Of a normal distribution: what lies between the median and a percentile, in standard deviations.
FACTORS = {"p95_ms": 1.645, "p99_ms": 2.326}
# Of an entry's shape: entries of another one stay in the file and are not compared.
SCHEMA = 1
KEY_DIGITS = 12
# Said in words or repeated elsewhere; what disturbed a run is kept.
LEFT_OUT = ("conditions", "warnings", "log", "per_class", "file", "window_fps", "configuration", "components")
NO_DIFFERENCE = "no difference"
NOISE = "inside the noise"


def latency_spread_ms(rate: dict) -> float | None:
    """Return the standard uncertainty of a latency in ms, from its highest known percentile up to 95; else 99.

    It is that of a single batch, not of the mean over thousands: those of one run share its clock and temperature,
    which the next run has otherwise.
    """
    percentile = next((name for name in FACTORS if rate[name] is not None), None)
    if percentile is None or rate["gpu_median_ms"] is None:
        return None
    return max(rate[percentile] - rate["gpu_median_ms"], 0.0) / FACTORS[percentile]


def rate_spread(rate: dict) -> float | None:
    """Return the standard uncertainty of trtexec's images/s: in percent it is that of the latency."""
    spread_ms = latency_spread_ms(rate)
    return None if spread_ms is None else rate["imgs_per_sec"] * spread_ms / rate["gpu_mean_ms"]


def frame_spread_ms(latency: dict) -> float:
    """Return the standard uncertainty of the latency of a frame in ms; it is that of a single frame, as of a batch."""
    return max(latency["p95_ms"] - latency["p50_ms"], 0.0) / FACTORS["p95_ms"]


def run_spread(run: dict) -> float | None:
    """Return the standard uncertainty of a DeepStream run's total frames/s: the deviation of its windows."""
    return None if run["cov_pct"] is None else run["total_fps"] * run["cov_pct"] / 100


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
class Entry(AnyEntry):
    """What is kept of one benchmark_data.json, and the toolchain's `facts` by name.

    `same` is what two entries must share for their difference to be the toolchain's.
    """

    facts: dict[str, Any]
    same: dict[str, Any]
    figures: dict[str, Any]


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


def history_entry(data: dict, facts: Mapping) -> Entry:
    """Return what is kept of benchmark_data.json."""
    text = json.dumps(dict(facts), sort_keys=True)
    trt, runs, checks = data["trtexec"], data["deepstream"], data["validation"]
    return Entry(
        schema=SCHEMA,
        toolchain=hashlib.sha256(text.encode()).hexdigest()[:KEY_DIGITS],
        facts=dict(facts),
        measured_utc=data["measured_utc"],
        same={
            "ONNX": data["model"]["onnx_sha256"],
            "video": data["video"]["sha256"],
            "precision": data["engines"][-1]["precision"],
            "threshold": data["preprocessing"]["pre_cluster_threshold"],
            "target FPS": data["target_fps"],
            "length of the measurements": [trt["duration_s"], trt["warm_up_ms"], runs["interval_s"]],
        },
        figures={
            "max_bs": data["max_bs"],
            "peak_gpu_streams": data["peak_gpu_streams"],
            "rt_streams": runs["rt_streams"],
            **{name: _kept(trt[name]) for name in ("bs1", "bsmax")},
            **{name: _kept(runs.get(name)) for name in ("run1", "run2", "latency")},
            **{name: _kept(checks[name]) for name in ("agreement", "ground_truth")},
        },
    )


def _kept(part: dict | None) -> dict | None:
    if part is None:
        return None
    kept = {key: value for key, value in part.items() if key not in LEFT_OUT}
    return kept | ({"disturbances": part["conditions"]["disturbances"]} if "conditions" in part else {})


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


@dataclass(frozen=True)
class Figure:
    """A row of the table: which figure, how it is read, with which spread, and what it may not differ in.

    `part` is the part of an entry's figures it is of; `compared` is the value whose noise is known, where the shown
    one is rounded down from it.
    """

    title: str
    part: str
    decimals: int
    value: Callable
    spread: Callable
    higher_is_better: bool = True
    compared: Callable | None = None
    size: str | None = None
    is_of_size: bool = False


def _share(name: str, missed: str) -> dict:
    return {
        "value": lambda part, _: part[name],
        "spread": lambda part, _: share_spread(part[name], part["true_positives"] + part[missed]),
        "decimals": 3,
    }


def _rate(part: str, title: str, size: str | None) -> list[Figure]:
    return [
        Figure(
            f"trtexec, latency in ms at {title}",
            part,
            3,
            lambda rate, _: rate["gpu_mean_ms"],
            lambda rate, _: latency_spread_ms(rate),
            higher_is_better=False,
            size=size,
            is_of_size=True,
        ),
        Figure(
            f"trtexec, images/s at {title}",
            part,
            1,
            lambda rate, _: rate["imgs_per_sec"],
            lambda rate, _: rate_spread(rate),
            size=size,
        ),
    ]


def _run(part: str, title: str) -> Figure:
    return Figure(
        f"DeepStream, total FPS of {title}",
        part,
        1,
        lambda run, _: run["total_fps"],
        lambda run, _: run_spread(run),
        size="streams",
    )


def _latency(percentile: str) -> Figure:
    return Figure(
        f"DeepStream, latency of a frame in ms, {percentile}",
        "latency",
        1,
        lambda latency, _: latency[f"{percentile}_ms"],
        lambda latency, _: frame_spread_ms(latency),
        higher_is_better=False,
        size="streams",
        is_of_size=True,
    )


def _streams(title: str, part: str, name: str, rate: str, spread: Callable) -> Figure:
    def of_target(value: float | None, entry: Entry) -> float | None:
        return None if value is None else value / entry.same["target FPS"]

    return Figure(
        title,
        part,
        0,
        lambda _, entry: entry.figures[name],
        lambda measured, entry: of_target(spread(measured), entry),
        compared=lambda measured, entry: of_target(measured[rate], entry),
    )


FIGURES = (
    *_rate("bs1", "batch 1", None),
    *_rate("bsmax", "MAX_BS", "batch"),
    _streams("PEAK_GPU_STREAMS", "bsmax", "peak_gpu_streams", "imgs_per_sec", rate_spread),
    _run("run1", "run 1"),
    _run("run2", "run 2"),
    _latency("p50"),
    _latency("p99"),
    _streams("RT_STREAMS", "run1", "rt_streams", "total_fps", run_spread),
    Figure("Agreement with the reference, precision", "agreement", **_share("precision", "false_positives")),
    Figure("Agreement with the reference, recall", "agreement", **_share("recall", "false_negatives")),
    Figure("Ground truth, precision", "ground_truth", **_share("precision", "false_positives")),
    Figure("Ground truth, recall", "ground_truth", **_share("recall", "false_negatives")),
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


def _row(figure: Figure, before: Entry, now: Entry) -> FigureRow | None:
    # Entries from before a figure was measured lack its part.
    old, new = (entry.figures.get(figure.part) for entry in (before, now))
    if old is None or new is None:
        return None
    sizes = "" if figure.size is None else f" ({_sizes(figure, old, new)})"
    values = [figure.value(part, entry) for part, entry in ((old, before), (new, now))]
    spreads = [figure.spread(part, entry) for part, entry in ((old, before), (new, now))]
    compared = figure.compared or figure.value
    bases = [compared(part, entry) for part, entry in ((old, before), (new, now))]
    return FigureRow(
        title=f"{figure.title}{sizes}",
        decimals=figure.decimals,
        before=values[0],
        before_spread=spreads[0],
        now=values[1],
        now_spread=spreads[1],
        change_pct=100 * (values[1] / values[0] - 1) if values[0] and values[1] is not None else None,
        verdict=_verdict(figure, (old, new), values, bases, spreads),
    )


def _sizes(figure: Figure, old: dict, new: dict) -> str:
    sizes = dict.fromkeys(str(part[figure.size]) for part in (old, new))
    return f"{figure.size} {', now '.join(sizes)}"


def _verdict(figure: Figure, parts: tuple[dict, dict], values: list, bases: list, spreads: list) -> str:
    """Return better, worse, or why that cannot be said."""
    if why := _not_comparable(figure, parts, values):
        return f"not compared: {why}"
    if values[0] == values[1]:
        return NO_DIFFERENCE
    if None in spreads:
        return "not compared: no spread was measured"
    if is_noise(bases[0], bases[1], (spreads[0], spreads[1])):
        return NOISE
    return "better" if (values[1] > values[0]) == figure.higher_is_better else "worse"


def _not_comparable(figure: Figure, parts: tuple[dict, dict], values: list) -> str | None:
    if None in values:
        return "not measured in both"
    if figure.is_of_size and figure.size and parts[0][figure.size] != parts[1][figure.size]:
        return f"another {figure.size}"
    disturbed = [
        when for part, when in zip(parts, ("before", "now"), strict=True) if part.get("disturbances")
    ]
    return f"disturbed {' and '.join(disturbed)}" if disturbed else None
