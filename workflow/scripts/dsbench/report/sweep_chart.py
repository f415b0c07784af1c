"""Draw the batch sweep: the probes with the fit through them, what deepstream-app leaves of it, and the runs."""

from pathlib import Path

import matplotlib
import msgspec
import numpy as np
import seaborn
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator, ScalarFormatter

from dsbench.chain.sweep import Prediction, Sweep, SweepRun
from dsbench.core.files import written_beside
from dsbench.report.charts import BLUE, DPI, GREEN, ORANGE, RED, SIZE_IN, STYLE, write_below
from dsbench.report.text import plain

JPEG_QUALITY = 92
POINTS_OF_CURVE = 200
# Of the axis; numbers that are closer would cover each other.
LEAST_DISTANCE = 0.04


def draw_sweep(data: dict, path: Path) -> None:
    """Write the chart of the sweep in checked benchmark data to `path`: JPEG, 10x6 in at 150 dpi."""
    sweep = data["sweep"]
    with matplotlib.rc_context({**STYLE, "axes.grid.axis": "both"}):
        figure = Figure(figsize=SIZE_IN, dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        plot_sweep(figure.add_subplot(), sweep)
        title = f"{plain(data['model_name'])}\nBatch sweep: {sweep['verdict'].partition(':')[0]}"
        figure.suptitle(title, fontsize=20, fontweight="bold")
        seaborn.despine(fig=figure)
        write_below(figure, plain(data["runtime"]["name"]), data["measured_utc"])
        with written_beside(path) as partial:
            figure.savefig(partial, format="jpeg", pil_kwargs={"quality": JPEG_QUALITY})


def plot_sweep(axes: Axes, data: dict) -> None:
    """Draw everything as batches/s by batch: with batch = streams, they are the frames/s of each stream."""
    sweep = msgspec.convert(data, Sweep)
    prediction, target_fps = sweep.prediction, sweep.prediction.bounds.target_fps
    # A run of the main job may be one of those that confirm.
    runs = list({run.log: run for run in (*prediction.finished, *sweep.runs)}.values())
    batches = sorted({probe.batch for probe in prediction.probes} | {run.streams for run in runs})
    _plot_fit(axes, prediction, batches)
    _plot_runs(axes, runs)
    axes.axhline(target_fps, color=RED, linestyle=":", linewidth=1.8, label=f"{target_fps:g} FPS")
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="batch = streams",
        ylabel="batches per second\n= FPS of each stream",
    )
    ticks = _apart(batches)
    axes.set_xticks(ticks, list(map(str, ticks)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.yaxis.set_minor_formatter(ScalarFormatter())
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=3, frameon=False, fontsize=12)


def _plot_fit(axes: Axes, prediction: Prediction, batches: list[int]) -> None:
    """Draw the probes, the curve that was fitted to them, and DeepStream's share of it."""
    fit, share = prediction.fits[0], prediction.share.share
    curve = np.geomspace(batches[0], batches[-1], POINTS_OF_CURVE)
    rates = np.array([1000 / fit.ms(batch) for batch in curve])
    axes.plot(curve, rates, color=BLUE, linewidth=1.8, label=f"trtexec, {fit.kind}")
    axes.scatter(
        [probe.batch for probe in prediction.probes],
        [probe.queries_per_s for probe in prediction.probes],
        s=70,
        color=BLUE,
        zorder=3,
        label="trtexec, measured",
    )
    axes.plot(
        *(curve, share * rates),
        color=ORANGE,
        linewidth=1.8,
        linestyle="--",
        label=f"{100 * share:.0f} % of it, DeepStream's share",
    )


def _plot_runs(axes: Axes, runs: list[SweepRun]) -> None:
    """Draw the slowest stream of each run, those that held the frame rate apart from those that missed it."""
    for holds, color, marker, said in ((True, GREEN, "D", "held"), (False, RED, "X", "missed")):
        shown = [run for run in runs if run.holds is holds]
        if shown:
            axes.scatter(
                [run.streams for run in shown],
                [run.slowest_fps for run in shown],
                s=90,
                color=color,
                marker=marker,
                zorder=4,
                label=f"slowest stream, {said}",
            )


def _apart(batches: list[int]) -> list[int]:
    """Return those of the rising batches that have room on an axis of their logarithms."""
    least = (batches[-1] / batches[0]) ** LEAST_DISTANCE
    kept = batches[:1]
    for batch in batches[1:]:
        if batch >= least * kept[-1]:
            kept.append(batch)
    return kept
