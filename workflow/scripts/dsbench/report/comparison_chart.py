"""Draw the models of a comparison by speed and accuracy, with those that none is known to surpass."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import seaborn
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from dsbench.core.files import written_beside
from dsbench.report.charts import BLUE, DPI, GREEN, GREY, SIZE_IN, STYLE
from dsbench.report.comparison import HERE, Contender, ModelComparison, RankedGroup, title_of

LONGEST_LABEL = 28
# Where a name may stand beside its point: its alignment, and its offset in points.
SIDES = (("left", (7, 6)), ("right", (-7, 6)), ("left", (7, -14)), ("right", (-7, -14)))


def draw_comparison(comparison: ModelComparison, path: Path) -> None:
    """Write the plot of each group, one below the other, to `path`: PNG, each 10x6 in at 150 dpi."""
    groups = comparison.groups
    with matplotlib.rc_context({**STYLE, "axes.grid.axis": "both", "font.size": 14}):
        figure = Figure(figsize=(SIZE_IN[0], SIZE_IN[1] * len(groups)), dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        plots = list(zip(figure.subplots(len(groups), squeeze=False)[:, 0], groups, strict=True))
        for axes, group in plots:
            plot_group(axes, group)
        seaborn.despine(fig=figure)
        figure.supxlabel(
            "whiskers: slowest to fastest window; hollow: without a rank; a name without room is left out",
            fontsize=11,
            color=GREY,
        )
        # Names are put where there is room, which is known once the axes have their places.
        figure.draw_without_rendering()
        for axes, group in plots:
            name_points(axes, group)
        with written_beside(path) as partial:
            figure.savefig(partial, format="png", metadata={"Software": None})


def plot_group(axes: Axes, group: RankedGroup) -> None:
    """Draw a point for each model whose accuracy was measured, and the Pareto front as steps."""
    axes.set_title(title_of(group), fontsize=15, fontweight="bold")
    axes.set_xlabel("images per second, decoding to detections")
    axes.set_ylabel("AP@[.5:.95] on the clip's true boxes")
    shown = _shown(group)
    if not shown:
        axes.text(0.5, 0.5, "no accuracy on true boxes was measured", transform=axes.transAxes, ha="center")
        return
    front = _steps(shown)
    if len(front) > 1:
        speeds, accuracies = zip(*front, strict=True)
        axes.step(speeds, accuracies, where="post", color=GREEN, linewidth=2, label="Pareto front", zorder=2)
        axes.legend(loc="lower left", frameon=False)
    for each, accuracy in shown:
        color = _color(each)
        if each.interval is not None:
            axes.hlines(accuracy, *each.interval, color=color, linewidth=1.6, zorder=3)
        face = "white" if each.unranked else color
        axes.scatter([each.images_per_s], [accuracy], s=60, color=color, facecolor=face, zorder=4)
    axes.set_xlim(left=0, right=1.15 * max((each.interval or (0, each.images_per_s))[1] for each, _ in shown))
    axes.margins(y=0.2)


def _shown(group: RankedGroup) -> list[tuple[Contender, float]]:
    return [(each, each.accuracy) for each in group.contenders if each.accuracy is not None]


def _steps(shown: Sequence[tuple[Contender, float]]) -> list[tuple[float, float]]:
    """Return speed and accuracy of those on the front that raise it, the fastest first.

    The others on it are less accurate than a model that is as fast within the spread of both.
    """
    steps: list[tuple[float, float]] = []
    for each, accuracy in shown:
        if each.is_on_front and (not steps or accuracy > steps[-1][1]):
            steps.append((each.images_per_s, accuracy))
    return steps


def _color(one: Contender) -> str:
    return GREEN if one.is_on_front else BLUE


def name_points(axes: Axes, group: RankedGroup) -> None:
    """Write the name of each point beside it, those of the front first, where it covers no other name."""
    taken: list[Bbox] = []
    for each, accuracy in sorted(_shown(group), key=lambda point: not point[0].is_on_front):
        name = each.model if each.tree == HERE else f"{each.model} ({each.tree})"
        note = axes.annotate(
            name if len(name) <= LONGEST_LABEL else f"{name[: LONGEST_LABEL - 1]}…",
            (each.images_per_s, accuracy),
            SIDES[0][1],
            textcoords="offset points",
            fontsize=11,
            fontweight="bold" if each.is_on_front else "normal",
            zorder=5,
            in_layout=False,
        )
        for side, offset in SIDES:
            note.set(horizontalalignment=side, position=offset)
            box = note.get_window_extent()
            if axes.bbox.containsx(box.x0) and axes.bbox.containsx(box.x1) and not box.count_overlaps(taken):
                taken.append(box)
                break
        else:
            note.remove()
