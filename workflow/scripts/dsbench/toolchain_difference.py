"""What changed since the last toolchain: the report's table of figures before and now, each with its spread."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain

from dsbench.fact_words import fact_change
from dsbench.noise import is_noise, latency_spread_ms, rate_spread, run_spread, share_spread

NO_DIFFERENCE = "no difference"
NOISE = "inside the noise"


@dataclass(frozen=True)
class Figure:
    """A row of the table: which figure, how it is read, with which spread, and what it may not differ in.

    `part` is the part of an entry's figures it is of; `judged` is the value that noise is judged by, where the shown
    one is rounded down from it.
    """

    title: str
    part: str
    decimals: int
    value: Callable
    spread: Callable
    higher_is_better: bool = True
    judged: Callable | None = None
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


def _streams(title: str, part: str, name: str, rate: str, spread: Callable) -> Figure:
    def of_target(value: float | None, entry: dict) -> float | None:
        return None if value is None else value / entry["same"]["target FPS"]

    return Figure(
        title,
        part,
        0,
        lambda _, entry: entry["figures"][name],
        lambda measured, entry: of_target(spread(measured), entry),
        judged=lambda measured, entry: of_target(measured[rate], entry),
    )


FIGURES = (
    *_rate("bs1", "batch 1", None),
    *_rate("bsmax", "MAX_BS", "batch"),
    _streams("PEAK_GPU_STREAMS", "bsmax", "peak_gpu_streams", "imgs_per_sec", rate_spread),
    _run("run1", "run 1"),
    _run("run2", "run 2"),
    _streams("RT_STREAMS", "run1", "rt_streams", "total_fps", run_spread),
    Figure("Agreement with the reference, precision", "agreement", **_share("precision", "false_positives")),
    Figure("Agreement with the reference, recall", "agreement", **_share("recall", "false_negatives")),
    Figure("Ground truth, precision", "ground_truth", **_share("precision", "false_positives")),
    Figure("Ground truth, recall", "ground_truth", **_share("recall", "false_negatives")),
)


def toolchain_difference(before: dict | None, now: dict) -> dict | None:
    """Return what the report's table shows, from two entries of the history; None without an earlier one."""
    if before is None:
        return None
    names = dict.fromkeys(chain(before["facts"], now["facts"]))
    facts = [
        dict(zip(("name", "before", "now"), (name, *fact_change(old, new)), strict=True))
        for name in names
        if (old := before["facts"].get(name)) != (new := now["facts"].get(name))
    ]
    return {
        "measured_utc": before["measured_utc"],
        "facts": facts,
        "also_changed": [key for key, value in now["same"].items() if before["same"].get(key) != value],
        "rows": [row for figure in FIGURES if (row := _row(figure, before, now)) is not None],
    }


def _row(figure: Figure, before: dict, now: dict) -> dict | None:
    parts = [entry["figures"][figure.part] for entry in (before, now)]
    if None in parts:
        return None
    old, new = parts
    sizes = "" if figure.size is None else f" ({_sizes(figure, old, new)})"
    values = [figure.value(part, entry) for part, entry in ((old, before), (new, now))]
    spreads = [figure.spread(part, entry) for part, entry in ((old, before), (new, now))]
    judged = figure.judged or figure.value
    bases = [judged(part, entry) for part, entry in ((old, before), (new, now))]
    return {
        "title": f"{figure.title}{sizes}",
        "decimals": figure.decimals,
        "before": values[0],
        "before_spread": spreads[0],
        "now": values[1],
        "now_spread": spreads[1],
        "change_pct": 100 * (values[1] / values[0] - 1) if values[0] and values[1] is not None else None,
        "verdict": _verdict(figure, (old, new), values, bases, spreads),
    }


def _sizes(figure: Figure, old: dict, new: dict) -> str:
    sizes = dict.fromkeys(str(part[figure.size]) for part in (old, new))
    return f"{figure.size} {', now '.join(sizes)}"


def _verdict(figure: Figure, parts: tuple[dict, dict], values: list, bases: list, spreads: list) -> str:
    """Return better, worse, or why that cannot be said."""
    if unjudged := _unjudged(figure, parts, values):
        return f"not judged: {unjudged}"
    if values[0] == values[1]:
        return NO_DIFFERENCE
    if None in spreads:
        return "not judged: no spread was measured"
    if is_noise(*bases, tuple(spreads)):
        return NOISE
    return "better" if (values[1] > values[0]) == figure.higher_is_better else "worse"


def _unjudged(figure: Figure, parts: tuple[dict, dict], values: list) -> str | None:
    if None in values:
        return "not measured in both"
    if figure.is_of_size and figure.size and parts[0][figure.size] != parts[1][figure.size]:
        return f"another {figure.size}"
    disturbed = [
        when for part, when in zip(parts, ("before", "now"), strict=True) if part.get("disturbances")
    ]
    return f"disturbed {' and '.join(disturbed)}" if disturbed else None
