"""Draw the five charts of the report from benchmark data."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import seaborn
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from dsbench.core.files import written_beside
from dsbench.report.history import rate_spread, run_spread
from dsbench.report.report_records import BenchmarkData, DeepStreamRun, LatencyOfFrames, TrtexecRate
from dsbench.report.text import NOT_MEASURED, count, plain

SIZE_IN = (10, 6)
DPI = 150
BLUE, GREEN, ORANGE, RED, GREY = "#3b6ea5", "#5b9a5b", "#d08a3c", "#c62828", "#6b6b6b"
INK = "#222222"
COMPONENTS_IN_SHORT = {"nvv4l2decoder": "decoder", "nvstreammux": "muxer", "primary_gie": "nvinfer"}
# Of the parts of a whole, in the order of a frame's way; the last is what no component had.
SHADES, SHADE_OF_REST = ("#2c5580", "#7fa8d1", "#5b9a5b", "#b5d3a3"), "#c8c8c8"
# In a report a chart is half a page wide.
STYLE = {**seaborn.axes_style("whitegrid"), "axes.grid.axis": "y", "text.parse_math": False, "font.size": 16}
LETTERS_BELOW = 90
DEVIATION = "whiskers: one standard deviation"
# The ends of a value's spread, in its unit; None where none was measured.
Whisker = tuple[float, float] | None


def draw_chart(name: str, data: BenchmarkData, path: Path) -> None:
    """Write the chart `name` (a key of CHARTS) of checked benchmark data to `path`: PNG, 10x6 in at 150 dpi."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=SIZE_IN, dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        subject, whiskers = CHARTS[name](axes, data)
        figure.suptitle(f"{plain(data.model_name)}\n{subject}", fontsize=20, fontweight="bold")
        seaborn.despine(fig=figure)
        write_below(figure, plain(data.runtime.name), data.measured_utc, whiskers)
        with written_beside(path) as partial:
            figure.savefig(partial, format="png", metadata={"Software": None})


def write_below(figure: Figure, *said: str) -> None:
    """Write below the plots what they are of: in print, where a chart is half a page wide, it can be read too."""
    figure.supxlabel(textwrap.fill(" · ".join(said), LETTERS_BELOW), fontsize=14, color=GREY)


def _bars(
    axes: Axes,
    labels: list[str],
    values: list[float | None],
    colors: list[str],
    unit: str,
    whiskers: Sequence[Whisker],
) -> float:
    """Draw one labelled bar per value, and return the highest place of bar or whisker.

    None becomes the words "not measured" instead of a bar.
    """
    places = range(len(values))
    tops = [0 if value is None else value for value in values]
    axes.bar(places, list(tops), width=0.55, color=colors, zorder=2)
    for place, ends in enumerate(whiskers):
        if ends is not None:
            low, high = max(ends[0], 0.0), max(ends[1], tops[place])
            axes.vlines(place, low, high, color=INK, linewidth=1.6, zorder=3)
            axes.hlines((low, high), place - 0.06, place + 0.06, color=INK, linewidth=1.6, zorder=3)
            tops[place] = high
    for place, value in zip(places, values, strict=True):
        note = NOT_MEASURED if value is None else f"{value:,.{_decimals(value)}f}{unit}"
        style: dict[str, Any] = (
            {"color": GREY, "style": "italic"} if value is None else {"fontweight": "bold"}
        )
        axes.annotate(
            note, (place, tops[place]), (0, 5), textcoords="offset points", ha="center", zorder=4, **style
        ).set_bbox({"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1})
    axes.set_xticks(places, labels)
    axes.set_xlim(-0.6, len(values) - 0.4)
    return max(tops)


def _around(value: float | None, deviation: float | None) -> Whisker:
    return None if value is None or deviation is None else (value - deviation, value + deviation)


def _line(axes: Axes, level: float, label: str, color: str) -> None:
    axes.axhline(level, color=color, linestyle="--", linewidth=1.8, zorder=3, label=label)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15), frameon=False)


def _headroom(axes: Axes, *levels: float) -> None:
    """Let the y axis run from 0 to somewhat above the highest of `levels`."""
    axes.set_ylim(0, 1.18 * (max(levels) or 1))


def _decimals(value: float) -> int:
    return 1 if value >= 100 else 2


def _queries(axes: Axes, data: BenchmarkData) -> tuple[str, str]:
    rates = (data.trtexec.bs1, data.trtexec.bsmax)
    both = axes.figure.add_gridspec(1, 2)
    axes.set_subplotspec(both[0])
    whiskers = [
        _around(rate.qps, None if (spread := rate_spread(rate)) is None else spread / rate.batch)
        for rate in rates
    ]
    labels = [f"batch {rate.batch}" for rate in rates]
    top = _bars(axes, labels, [rate.qps for rate in rates], [BLUE, GREEN], " qps", whiskers)
    axes.set_ylabel("batches per second (qps)")
    _headroom(axes, top)
    _latencies(axes.figure.add_subplot(both[1]), rates)
    return (
        f"trtexec: batch {rates[0].batch} and {rates[1].batch}",
        "whiskers: one standard deviation of the rate; latency from the least to the 99th percentile",
    )


def _latencies(axes: Axes, rates: Sequence[TrtexecRate]) -> None:
    """Draw the mean latency of each rate, from the least to the 99th percentile, and name the percentiles."""
    labels = []
    for rate in rates:
        percentiles = {"p90": rate.p90_ms, "p95": rate.p95_ms, "p99": rate.p99_ms}
        said = [f"{name} {value:,.2f}" for name, value in percentiles.items() if value]
        labels.append("\n".join([f"batch {rate.batch}", *said]))
    whiskers = [None if rate.gpu_min_ms is None else (rate.gpu_min_ms, rate.p99_ms) for rate in rates]
    top = _bars(axes, labels, [rate.gpu_mean_ms for rate in rates], [BLUE, GREEN], " ms", whiskers)
    axes.set_ylabel("mean latency of a batch (ms)")
    _headroom(axes, top)


def _throughput(axes: Axes, data: BenchmarkData) -> tuple[str, str]:
    trtexec = data.trtexec
    spreads = {rate.batch: rate_spread(rate) for rate in (trtexec.bs1, trtexec.bsmax)}
    measured = {step.batch: step.imgs_per_sec for step in trtexec.doubling}
    measured.setdefault(trtexec.bs1.batch, trtexec.bs1.imgs_per_sec)
    peaks = {step.batch: step.peak_gpu_streams for step in trtexec.doubling}
    batches = sorted(measured)
    labels = [f"batch {batch}" + (f"\nPEAK {peaks[batch]}" if batch in peaks else "") for batch in batches]
    colors = [GREEN if batch == data.max_bs else BLUE for batch in batches]
    whiskers = [_around(measured[batch], spreads.get(batch)) for batch in batches]
    top = _bars(axes, labels, [measured[batch] for batch in batches], colors, "", whiskers)
    peak, target_fps = data.peak_gpu_streams, data.target_fps
    level = peak * target_fps
    _line(axes, level, f"PEAK_GPU_STREAMS: {peak} x {target_fps:g} FPS = {level:,.0f} images/s", ORANGE)
    axes.set_ylabel("images per second")
    _headroom(axes, level, top)
    return "trtexec: images per second by batch, with PEAK", DEVIATION


def _stream_rate(axes: Axes, data: BenchmarkData) -> tuple[str, str]:
    runs, latency = _runs(data), data.deepstream.latency
    if latency:
        both = axes.figure.add_gridspec(1, 2, width_ratios=(3, 2))
        axes.set_subplotspec(both[0])
        axes.set_title("FPS of each stream", fontsize=16)
        _frame_latencies(axes.figure.add_subplot(both[1]), latency)
    values = [run.fps_per_stream if run else None for run in runs]
    top = _bars(axes, _run_labels(runs), values, [BLUE, GREEN], " FPS", [_windows(run) for run in runs])
    for place, run in enumerate(runs):
        fps = [total_fps / run.streams for total_fps in run.window_fps] if run else []
        # Beside the bar, in the order in which they were measured.
        steps = [place + 0.31 + 0.11 * index / max(len(fps) - 1, 1) for index in range(len(fps))]
        axes.scatter(steps, fps, s=22, color=INK, zorder=4)
    _line(axes, data.target_fps, f"real time: {data.target_fps:g} FPS per stream", RED)
    axes.set_ylabel("FPS per stream")
    _headroom(axes, data.target_fps, top)
    window = f"window of {data.deepstream.interval_s:g} s"
    return (
        "DeepStream: frame rate and latency" if latency else "DeepStream: frames per second of each stream",
        f"whiskers: slowest to fastest {window}; dots: the windows in their order"
        + ("; latency at full load" if latency else ""),
    )


def _frame_latencies(axes: Axes, latency: LatencyOfFrames) -> None:
    """Draw the percentiles of a frame's latency, and before them its mean, in the parts that components had."""
    values = {"p50": latency.p50_ms, "p95": latency.p95_ms, "p99": latency.p99_ms}
    if latency.components:
        values = {"mean": latency.mean_ms, **values}
    top = _bars(axes, list(values), list(values.values()), [ORANGE] * len(values), "", [None] * len(values))
    if latency.components:
        _component_parts(axes, latency)
    axes.set_title("Latency of a frame", fontsize=16)
    axes.set_ylabel(f"latency (ms), {count(latency.streams, 'stream')}")
    _headroom(axes, top)


def _component_parts(axes: Axes, latency: LatencyOfFrames) -> None:
    """Cover the first bar, the mean latency, with what each component had of it."""
    parts = [
        (plain(COMPONENTS_IN_SHORT.get(each.name, each.name)), each.mean_ms) for each in latency.components
    ]
    shades = [SHADES[index % len(SHADES)] for index in range(len(parts))]
    if latency.between_components_ms > 0:
        parts.append(("between them", latency.between_components_ms))
        shades.append(SHADE_OF_REST)
    begun_ms = 0.0
    for (name, took_ms), shade in zip(parts, shades, strict=True):
        axes.bar(0, took_ms, 0.55, bottom=begun_ms, color=shade, zorder=3, label=name)
        begun_ms += took_ms
    axes.legend(loc="upper center", bbox_to_anchor=(0.45, -0.1), ncols=2, frameon=False, fontsize=13)


def _windows(run: DeepStreamRun | None) -> Whisker:
    """Return the slowest and the fastest window of a run, in frames/s of a stream."""
    if run is None or run.total_fps_min is None or run.total_fps_max is None:
        return None
    return run.total_fps_min / run.streams, run.total_fps_max / run.streams


def _comparison(axes: Axes, data: BenchmarkData) -> tuple[str, str]:
    runs, reference = _runs(data), data.trtexec.bsmax
    values = [reference.imgs_per_sec, *(run.total_fps if run else None for run in runs)]
    labels = [
        f"trtexec\nbatch {reference.batch}",
        *(f"DeepStream\n{label}" for label in _run_labels(runs)),
    ]
    whiskers = [_around(values[0], rate_spread(reference)), *map(_total, runs)]
    top = _bars(axes, labels, values, [ORANGE, BLUE, GREEN], "", whiskers)
    axes.set_ylabel("images per second")
    _headroom(axes, top)
    return "trtexec and DeepStream: images per second", DEVIATION


def _total(run: DeepStreamRun | None) -> Whisker:
    """Return a run's total frames/s less and plus their deviation."""
    return _around(run.total_fps, run_spread(run)) if run else None


def _efficiency(axes: Axes, data: BenchmarkData) -> tuple[str, str]:
    efficiency, runs = data.efficiency, _runs(data)
    values = [efficiency.run1_pct, efficiency.run2_pct]
    reference = efficiency.reference_imgs_per_sec
    whiskers = [ends and (100 * ends[0] / reference, 100 * ends[1] / reference) for ends in map(_total, runs)]
    top = _bars(axes, _run_labels(runs), values, [BLUE, GREEN], " %", whiskers)
    said = f"{reference:,.1f} images/s, trtexec at batch {efficiency.reference_batch}"
    _line(axes, 100, f"100 % = {said}", RED)
    axes.set_ylabel("efficiency (%)")
    _headroom(axes, 100, top)
    return "DeepStream: efficiency against trtexec", DEVIATION


def _runs(data: BenchmarkData) -> list[DeepStreamRun | None]:
    return [data.deepstream.run1, data.deepstream.run2]


def _run_labels(runs: list[DeepStreamRun | None]) -> list[str]:
    loads = [NOT_MEASURED if run is None else count(run.streams, "stream") for run in runs]
    loads = [
        f"{load}, disturbed" if run and run.conditions.is_disturbed else load
        for load, run in zip(loads, runs, strict=True)
    ]
    return [f"run {index}\n{load}" for index, load in enumerate(loads, 1)]


# In the order of the report.
CHARTS = {
    "chart_trtexec_bs1_vs_bsmax": _queries,
    "chart_trtexec_throughput": _throughput,
    "chart_ds_streams_vs_fps": _stream_rate,
    "chart_trt_vs_ds": _comparison,
    "chart_efficiency": _efficiency,
}
