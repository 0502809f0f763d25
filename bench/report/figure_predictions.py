"""Which classes are taken for which, and whether confidence means what it says."""

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
    classes = [figure_style.shortened(name, 14) for name in content.source.classes]
    if not shown:
        return None
    longest = max(map(len, classes))
    slanted = longest > 3
    room = 0.35 + 0.075 * longest
    margins = figure_style.Margins(
        left=room + 0.2, bottom=0.5 + (0.055 * longest if slanted else 0), between=room
    )
    side = min(1.2 + 0.24 * len(classes), 3.5)
    width = margins.left + len(shown) * side + (len(shown) - 1) * margins.between + margins.right
    figure, grid = figure_style.panels(len(shown), width, side, margins, len(shown))
    for axes, a in zip(grid, shown, strict=True):
        shares = 100 * confusion_shares(a.entry.runs)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=100)
        axes.set_xticks(range(len(classes)), classes, **_slant(slanted))
        axes.set_yticks(range(len(classes)), classes)
        axes.grid(False)
        axes.tick_params(length=0)
        axes.set_xlabel("Predicted class")
        axes.set_title(figure_style.shortened(a.entry.title, 36))
        if len(classes) <= _MOST_NUMBERS:
            for (row, column), share in np.ndenumerate(shares):
                ink = "white" if share > 55 else figure_style.INK
                axes.text(column, row, _cell(share), ha="center", va="center", fontsize=8, color=ink)
    grid[0].set_ylabel("True class (%)")
    return figure


def _cell(share: float) -> str:
    """Whole percents; a dot for what is there but rounds to none."""
    return "" if share == 0 else "·" if share < 0.5 else f"{share:.0f}"


def _slant(slanted: bool) -> dict:
    return {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if slanted else {}


def confusion_shares(runs: list[Run]) -> np.ndarray:
    """How often a class is taken for which, float `[true, predicted]`; rows sum to 1, seeds and folds pooled."""
    n_classes = runs[0].n_classes
    counts = np.zeros((n_classes, n_classes))
    for run in runs:
        np.add.at(counts, (run.y, run.probabilities.argmax(axis=1)), 1)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def calibration(content: Content, look: figure_style.Look) -> Figure | None:
    """Share of right answers against stated confidence, in the bins of the calibration error."""
    shown = [a for a in content.tested if a.entry.is_network][: figure_style.MOST] or content.tested[
        : figure_style.MOST
    ]
    if not shown:
        return None
    columns = 4 if len(shown) > 3 else len(shown)
    figure, grid = figure_style.panels(
        len(shown), min(8, 3.4 * columns), 1.75, figure_style.Margins(), columns, sharex=True, sharey=True
    )
    for axes, a in zip(grid, shown, strict=True):
        confidence, right, share = reliability(a.entry.runs)
        axes.plot([0, 100], [0, 100], color="#afb8c1", linewidth=1, zorder=1)
        axes.plot(100 * confidence, 100 * right, color=look.colour(a.name), zorder=2)
        sizes, colour = 12 + 160 * share, look.colour(a.name)
        axes.scatter(100 * confidence, 100 * right, sizes, color=colour, alpha=0.8, zorder=3, clip_on=False)
        axes.set_title(figure_style.shortened(a.entry.title, 24 if columns > 2 else 40))
        error = a.metrics.get("calibration_error")
        axes.text(
            96,
            4,
            f"error {formatting.number(error, 2)}",
            ha="right",
            color=figure_style.QUIET,
            fontsize=8.5,
        )
        axes.set_xlim(0, 104)
        axes.set_ylim(0, 104)
        axes.set_xticks((0, 50, 100))
        axes.set_yticks((0, 50, 100))
    for axes in grid[-columns:]:
        axes.set_xlabel("Confidence (%)")
        axes.xaxis.set_tick_params(labelbottom=True)
    for axes in grid[::columns]:
        axes.set_ylabel("Right answers (%)")
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
