"""Which classes are taken for which, and whether confidence means what it says."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from bench.evaluate.metric_definitions import CALIBRATION_BINS, confidence_bins
from bench.evaluate.predictions import Run
from bench.report import figure_style, formatting
from bench.report.results import Content

_MOST_NUMBERS = 12


def confusion(content: Content, look: figure_style.Look) -> Figure | None:
    """Confusion matrices of the best and of the cheapest that cannot be told from it, in percent of a class."""
    shown = [a for a in content.shown if a.entry.runs]
    classes = figure_style.shortened_all(content.source.classes, 14)
    if not shown:
        return None
    longest = max(map(len, classes))
    side = min(max(1.2 + 0.24 * len(classes), 2.6), 6.0)
    is_crowded = longest > 3 or 0.075 * (longest + 1) * len(classes) > side
    slant: Any = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if is_crowded else {}
    room = 0.35 + 0.075 * longest
    margins = figure_style.Margins(left=room + 0.2, bottom=0.5 + bool(slant) * 0.055 * longest, between=room)
    width = margins.left + len(shown) * side + (len(shown) - 1) * margins.between + margins.right
    figure, grid = figure_style.panels(len(shown), width, side, margins)
    for axes, a in zip(grid, shown, strict=True):
        shares = 100 * confusion_shares(a.entry.runs)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=100)
        axes.set_xticks(range(len(classes)), classes, **slant)
        axes.set_yticks(range(len(classes)), classes)
        axes.grid(False)
        axes.tick_params(length=0, labelsize=min(9, 60 * side / len(classes)))
        axes.set_xlabel("Predicted class")
        axes.set_title(figure_style.shortened(a.entry.title, int(13 * side)))
        if len(classes) <= _MOST_NUMBERS:
            for (row, column), share in np.ndenumerate(shares):
                ink = "white" if share > 55 else figure_style.INK
                axes.text(column, row, _cell(share), ha="center", va="center", fontsize=8, color=ink)
    grid[0].set_ylabel("True class (%)")
    return figure


def _cell(share: float) -> str:
    """Whole percents; a dot for what is there but rounds to none."""
    return "" if share == 0 else "·" if share < 0.5 else f"{share:.0f}"


def confusion_shares(runs: list[Run]) -> np.ndarray:
    """How often a class is taken for which, float `[true, predicted]`; rows sum to 1, seeds and folds pooled."""
    counts = np.zeros((runs[0].n_classes,) * 2)
    for run in runs:
        np.add.at(counts, (run.y, run.probabilities.argmax(axis=1)), 1)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def calibration(content: Content, look: figure_style.Look) -> Figure | None:
    """Share of right answers against stated confidence, in the bins of the calibration error."""
    shown = [a for a in content.tested if a.entry.is_network] or content.tested
    shown = shown[: figure_style.MOST]
    if not shown:
        return None
    width = min(8, 3.4 * len(shown))
    figure, grid = figure_style.network_panels(shown, "Right answers (%)", width, sharex=True)
    for axes, a in zip(grid, shown, strict=True):
        confidence, right, share = reliability(a.entry.runs)
        axes.plot([0, 100], [0, 100], color="#afb8c1", linewidth=1, zorder=1)
        sizes, colour = 12 + 160 * share, look.colour(a.name)
        axes.plot(100 * confidence, 100 * right, color=colour, zorder=2)
        axes.scatter(100 * confidence, 100 * right, sizes, color=colour, alpha=0.8, zorder=3, clip_on=False)
        error = f"error {formatting.number(a.metrics.get('calibration_error'), 2)}"
        axes.text(96, 4, error, ha="right", color=figure_style.QUIET, fontsize=8.5)
        axes.set(xlim=(0, 104), ylim=(0, 104), xticks=(0, 50, 100), yticks=(0, 50, 100))
    for axes in grid[-4:]:
        axes.set_xlabel("Confidence (%)")
        axes.xaxis.set_tick_params(labelbottom=True)
    return figure


def reliability(runs: list[Run]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean confidence, share of right answers and share of samples of each bin that is not empty."""
    bins = np.concatenate([confidence_bins(run.probabilities) for run in runs])
    confidence = np.concatenate([run.probabilities.max(axis=1) for run in runs])
    right = np.concatenate([run.probabilities.argmax(axis=1) == run.y for run in runs])
    counts = np.bincount(bins, minlength=CALIBRATION_BINS)
    full = counts > 0
    means = [
        np.bincount(bins, values, CALIBRATION_BINS)[full] / counts[full] for values in (confidence, right)
    ]
    return means[0], means[1], counts[full] / counts.sum()
