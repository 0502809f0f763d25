"""The headline: the primary metric against inference time, with intervals and the Pareto front."""

from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from bench.evaluate import metrics
from bench.report import figure_style, formatting, point_labels
from bench.report.results import Content
from bench.report.statistics import Assessment

_FRONT = "#afb8c1"
_MOST_LABELS = 20  # of more points only the front and the answer's are named


def front(content: Content, look: figure_style.Look) -> Figure | None:
    """Draw everything that has been tested and timed."""
    rows = content.rows.dropna(subset=["test", "inference_ms"])
    if rows.empty:
        return None
    metric = content.metric
    factor = 100 if formatting.is_percent(metric) else 1
    figure, (axes,) = figure_style.panels(1, 8, 3.9, figure_style.Margins(top=0.4))
    shown = [a for a in content.assessments if a.name in set(rows.architecture)]
    points = rows[["inference_ms", "test"]].to_numpy(float) * (1, factor)
    ends = rows[["test_low", "test_high"]].to_numpy(float) * factor
    steps = points[[shown.index(a) for a in content.answer.front]]
    if len(steps) > 1:
        axes.step(*steps.T, where="post", color=_FRONT, linewidth=3, zorder=1, solid_capstyle="round")
    for a, (x, y), (low, high) in zip(shown, points, ends, strict=True):
        axes.errorbar(
            x,
            y,
            yerr=np.maximum([[y - low], [high - y]], 0),
            color=look.colour(a.name),
            marker=look.marker(a.name),
            markerfacecolor=look.fill(a.name),
            markersize=8,
            markeredgewidth=1.5,
            elinewidth=1.3,
            capsize=3,
            zorder=3,
        )
    _limits(axes, points[:, 1], ends, factor, metric)
    bottom, top = axes.get_ylim()
    for a, (x, _), (low, high) in zip(shown, points, ends, strict=True):
        for is_cut, edge, marker in ((low < bottom, bottom, "v"), (high > top, top, "^")):
            if is_cut:  # the interval goes on beyond the edge
                axes.plot(x, edge, marker, color=look.colour(a.name), markersize=6, clip_on=False, zorder=3)
    _time_axis(axes, points[:, 0])
    unit = " (%)" if factor == 100 else ""
    axes.set_ylabel(f"Test {content.metric_title}{unit}, 95% interval")
    axes.set_xlabel("Inference time, one sample (ms, log scale); networks in Keras on one thread")
    _legend(axes, shown)
    texts, few = [], len(shown) <= _MOST_LABELS
    named = [n for n, a in enumerate(shown) if few or a in content.shown or a in content.answer.front]
    for a, (x, y) in ((shown[n], points[n]) for n in named):
        text = axes.text(x, y, _label(content, a), ha="center", va="center", fontsize=9, zorder=4)
        text.set_fontweight("bold" if a in content.shown else "normal")
        text.set_color(figure_style.INK if a.entry.is_network else figure_style.QUIET)
        texts.append(text)
    point_labels.place(axes, texts, points[named], _obstacles(axes, points, ends, steps))
    return figure


def _label(content: Content, a: Assessment) -> str:
    name = figure_style.shortened(a.entry.title, 32)
    if a is content.answer.best:
        return f"{name} (best)"
    if a is content.answer.cheapest:
        return f"{name} (cheapest equal)"
    return name


def _limits(axes: Axes, values: np.ndarray, ends: np.ndarray, factor: float, metric: str) -> None:
    """Show all points; an interval much longer than the points' spread runs off the edge."""
    spread = max(float(np.ptp(values)), 0.02 * factor)
    low = max(ends[:, 0].min(), values.min() - spread)
    high = min(ends[:, 1].max(), values.max() + spread)
    margin = 0.08 * (high - low)
    bottom, top = (factor * bound for bound in metrics.get(metric).bounds)
    axes.set_ylim(max(low - margin, bottom - margin), min(high + margin, top + margin))


def _time_axis(axes: Axes, times: np.ndarray) -> None:
    axes.set_xscale("log")
    low, high = times.min(), times.max()
    room = max((high / low) ** 0.18, 1.25)
    axes.set_xlim(low / room, high * room)
    figure_style.number_decades(axes.xaxis, most=9)


def _legend(axes: Axes, shown: list[Assessment]) -> None:
    if len({a.entry.kind for a in shown}) < 2:
        return
    for label, fill in (("network", figure_style.QUIET), ("reference", "white")):
        axes.plot(
            [], [], "o", color=figure_style.QUIET, markerfacecolor=fill, markeredgewidth=1.5, label=label
        )
    axes.plot([], [], color=_FRONT, linewidth=3, label="better than all faster")
    axes.figure.legend(loc="upper right", ncols=3)  # type: ignore[union-attr]


def _obstacles(axes: Axes, points: np.ndarray, ends: np.ndarray, steps: np.ndarray) -> list[Bbox]:
    """Markers, error bars and the front, in pixels."""
    boxes = []
    frame = axes.get_window_extent()
    for (x, y), (low, high) in zip(points, ends, strict=True):
        (x, y), (_, low), (_, high) = axes.transData.transform([(x, y), (x, low), (x, high)])
        low, high = max(low, frame.y0), min(high, frame.y1)
        boxes += [
            Bbox.from_extents(x - 10, y - 10, x + 10, y + 10),
            Bbox.from_extents(x - 6, low - 3, x + 6, high + 3),
        ]
    for (x0, y0), (x1, y1) in pairwise(axes.transData.transform(steps) if len(steps) else []):
        boxes.append(Bbox.from_extents(x0, y0 - 3, x1, y0 + 3))
        boxes.append(Bbox.from_extents(x1 - 3, min(y0, y1), x1 + 3, max(y0, y1)))
    return boxes
