"""Draw the five charts of the report from benchmark data."""

import textwrap
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.style
import seaborn
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from dsbench.core.files import written_beside
from dsbench.report.text import NOT_MEASURED, count, is_disturbed, plain

SIZE_IN = (10, 6)
DPI = 150
BLUE, GREEN, ORANGE, RED, GREY = "#3b6ea5", "#5b9a5b", "#d08a3c", "#c62828", "#6b6b6b"
STYLE = {**seaborn.axes_style("whitegrid"), "axes.grid.axis": "y", "text.parse_math": False, "font.size": 11}


def draw_chart(name: str, data: dict, path: Path) -> None:
    """Write the chart `name` (a key of CHARTS) of checked benchmark data to `path`: PNG, 10x6 in at 150 dpi."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=SIZE_IN, dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        subject = CHARTS[name](axes, data)
        axes.set_title(f"{plain(data['model_name'])}\n{subject}", fontsize=15, fontweight="bold", pad=12)
        seaborn.despine(ax=axes)
        footer = textwrap.fill(f"{plain(data['runtime']['name'])} · {data['measured_utc']}", 130)
        figure.supxlabel(footer, fontsize=8, color=GREY)
        with written_beside(path) as partial:
            figure.savefig(partial, format="png", metadata={"Software": None})


def _bars(axes: Axes, labels: list[str], values: list[float | None], colors: list[str], unit: str) -> None:
    """Draw one labelled bar per value; None becomes the words "not measured" instead of a bar."""
    places = range(len(values))
    heights = [0 if value is None else value for value in values]
    axes.bar(places, heights, width=0.55, color=colors, zorder=2)
    for place, value in zip(places, values, strict=True):
        note = NOT_MEASURED if value is None else f"{value:,.{_decimals(value)}f}{unit}"
        style: dict[str, Any] = (
            {"color": GREY, "style": "italic"} if value is None else {"fontweight": "bold"}
        )
        axes.annotate(
            note, (place, heights[place]), (0, 5), textcoords="offset points", ha="center", zorder=4, **style
        ).set_bbox({"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1})
    axes.set_xticks(places, labels)
    axes.set_xlim(-0.6, len(values) - 0.4)


def _line(axes: Axes, level: float, label: str, color: str) -> None:
    axes.axhline(level, color=color, linestyle="--", linewidth=1.8, zorder=3, label=label)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), frameon=False)


def _headroom(axes: Axes, *levels: float | None) -> None:
    """Let the y axis run from 0 to somewhat above the highest of `levels`."""
    axes.set_ylim(0, 1.15 * max([level for level in levels if level], default=1))


def _decimals(value: float) -> int:
    return 1 if value >= 100 else 2


def _queries(axes: Axes, data: dict) -> str:
    rates = (data["trtexec"]["bs1"], data["trtexec"]["bsmax"])
    labels = [f"batch {rate['batch']}\nmean latency {rate['gpu_mean_ms']:,.2f} ms" for rate in rates]
    values = [rate["qps"] for rate in rates]
    _bars(axes, labels, values, [BLUE, GREEN], " qps")
    axes.set_ylabel("batches per second (qps)")
    _headroom(axes, *values)
    return f"trtexec: batches per second at batch {rates[0]['batch']} and {rates[1]['batch']}"


def _throughput(axes: Axes, data: dict) -> str:
    trtexec = data["trtexec"]
    measured = {rate["batch"]: rate["imgs_per_sec"] for rate in (trtexec["bs1"], *trtexec["doubling"])}
    values = [measured[batch] for batch in sorted(measured)]
    colors = [GREEN if batch == data["max_bs"] else BLUE for batch in sorted(measured)]
    _bars(axes, [f"batch {batch}" for batch in sorted(measured)], values, colors, "")
    peak, target_fps = data["peak_gpu_streams"], data["target_fps"]
    level = peak * target_fps
    _line(axes, level, f"PEAK_GPU_STREAMS: {peak} x {target_fps:g} FPS = {level:,.0f} images/s", ORANGE)
    axes.set_ylabel("images per second")
    _headroom(axes, level, *values)
    return "trtexec: images per second by batch, with the PEAK line"


def _stream_rate(axes: Axes, data: dict) -> str:
    runs = _runs(data)
    values = [run["fps_per_stream"] if run else None for run in runs]
    _bars(axes, _run_labels(runs), values, [BLUE, GREEN], " FPS")
    _line(axes, data["target_fps"], f"real time: {data['target_fps']:g} FPS per stream", RED)
    axes.set_ylabel("FPS per stream")
    _headroom(axes, data["target_fps"], *values)
    return "DeepStream: frames per second of each stream"


def _comparison(axes: Axes, data: dict) -> str:
    runs, reference = _runs(data), data["trtexec"]["bsmax"]
    values = [reference["imgs_per_sec"], *(run and run["total_fps"] for run in runs)]
    labels = [f"trtexec\nbatch {reference['batch']}", *(f"DeepStream {label}" for label in _run_labels(runs))]
    _bars(axes, labels, values, [ORANGE, BLUE, GREEN], "")
    axes.set_ylabel("images per second")
    _headroom(axes, *values)
    return "trtexec and DeepStream: images per second"


def _efficiency(axes: Axes, data: dict) -> str:
    efficiency = data["efficiency"]
    values = [efficiency["run1_pct"], efficiency["run2_pct"]]
    _bars(axes, _run_labels(_runs(data)), values, [BLUE, GREEN], " %")
    reference = f"{efficiency['reference_imgs_per_sec']:,.1f} images/s, trtexec at batch"
    _line(axes, 100, f"100 % = {reference} {efficiency['reference_batch']}", RED)
    axes.set_ylabel("efficiency (%)")
    _headroom(axes, 100, *values)
    return "DeepStream: efficiency against trtexec"


def _runs(data: dict) -> list[dict | None]:
    return [data["deepstream"]["run1"], data["deepstream"]["run2"]]


def _run_labels(runs: list[dict | None]) -> list[str]:
    loads = [NOT_MEASURED if run is None else count(run["streams"], "stream") for run in runs]
    loads = [
        f"{load}, disturbed" if run and is_disturbed(run) else load
        for load, run in zip(loads, runs, strict=True)
    ]
    return [f"run {index}\n{load}" for index, load in enumerate(loads, 1)]


CHARTS = {
    "chart_trtexec_bs1_vs_bsmax": _queries,
    "chart_trtexec_throughput": _throughput,
    "chart_ds_streams_vs_fps": _stream_rate,
    "chart_trt_vs_ds": _comparison,
    "chart_efficiency": _efficiency,
}
