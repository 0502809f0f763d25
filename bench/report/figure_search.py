"""How networks learned and how their searches went."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bench.evaluate import metrics
from bench.report import figure_style, formatting
from bench.report.results import Content
from bench.report.run_results import Entry

Curve = tuple[np.ndarray, np.ndarray]
_LEGEND_COLUMNS, _LONG_LABEL = 4, 20  # of labels longer than that, one fewer


def learning(content: Content, look: figure_style.Look) -> Figure | None:
    """Loss against epoch of each network's best trial: training dashed, validation solid, a line a fold."""
    shown = [a for a in content.networks if _histories(a.entry)][: figure_style.MOST]
    if not shown:
        return None
    figure, grid = figure_style.network_panels(shown, "Loss (log scale)", top=0.62)
    lowest, highest = np.inf, 0.0
    for axes, a in zip(grid, shown, strict=True):
        histories = _histories(a.entry)
        for history in histories:
            for name, line, alpha in (("loss", "--", 0.65), ("val_loss", "-", 1.0)):
                points = [(record["epoch"], record[name]) for record in history if name in record]
                if not points:
                    continue
                epochs, values = np.array(points, float).T
                (curve,) = axes.plot(epochs, values, line, color=look.colour(a.name), alpha=alpha)
                curve.set(
                    marker="." if len(epochs) < 6 else "", linewidth=1.7 if len(histories) == 1 else 1.1
                )
                lowest, highest = min(lowest, np.nanmin(values)), max(highest, np.nanmax(values))
        axes.set_xlabel("Epoch")
        axes.xaxis.set_major_locator(MaxNLocator(3, integer=True))
        axes.set_yscale("log")
    axes = grid[0]
    axes.set_ylim(max(lowest, highest * 1e-4) * 0.85, highest * 1.15)
    figure_style.number_decades(axes.yaxis, most=5)
    axes.plot([], [], "--", color=figure_style.QUIET, label="training", alpha=0.65)
    axes.plot([], [], "-", color=figure_style.QUIET, label="validation")
    figure.legend(*axes.get_legend_handles_labels(), loc="upper right", ncols=2)
    return figure


def _histories(entry: Entry) -> list[list[dict]]:
    trials = entry.trials
    return [history for history in trials[trials.chosen].history if isinstance(history, list) and history]


def search(content: Content, look: figure_style.Look) -> Figure | None:
    """Best validation score so far, by trial and by second of training, mean over folds."""
    factor = 100 if formatting.is_percent(content.metric) else 1
    searched = [a for a in content.networks if a.entry.searches.best.notna().any()]
    drawn = [(a, _curves(a.entry, metrics.sign(content.metric), factor)) for a in searched]
    # While a fold has no trial as long as the longest of another, there is no mean over folds.
    drawn = [(a, curves) for a, curves in drawn if all(np.isfinite(y[-1:]).any() for _, y in curves)]
    shown = drawn[: figure_style.MOST]
    if not shown:
        return None
    labels = {a.name: figure_style.shortened(a.entry.title, 28) for a, _ in shown}
    columns = min(len(shown), _LEGEND_COLUMNS - (max(map(len, labels.values())) > _LONG_LABEL))
    legend_rows = -(-len(shown) // columns)
    # A number may stand at the right edge, and half of it beyond.
    margins = figure_style.Margins(
        left=0.75, right=0.22, bottom=0.55 + 0.22 * legend_rows, top=0.12, between=0.25
    )
    figure, (by_trial, by_second) = figure_style.panels(2, 8, 2.6, margins, sharey=True)
    ends: list[float] = []
    starts: list[float] = []
    seconds: list[float] = []
    for a, (trial, second) in shown:
        for axes, (x, y), size in ((by_trial, trial, 4), (by_second, second, 0)):
            mark = look.marker(a.name) if size else ""
            axes.plot(
                x,
                y,
                color=look.colour(a.name),
                drawstyle="steps-post",
                marker=mark,
                markersize=size if len(x) <= 30 else 0,
                label=labels[a.name] if size else None,
            )
            colour = look.colour(a.name)
            axes.plot(x[-1:], y[-1:], look.marker(a.name), color=colour, markersize=6, clip_on=False)
            ends.append(y[-1])
            starts.append(y[np.isfinite(y)][0])
        seconds.extend(second[0])
    _y_range(by_trial, ends, starts)
    by_trial.set_ylabel(f"Best validation {content.metric_title}{' (%)' if factor == 100 else ''}")
    by_trial.set_xlabel("Trial")
    by_trial.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    log = max(seconds) > 20 * min(seconds)
    if log:
        by_second.set_xscale("log")
        figure_style.number_decades(by_second.xaxis, most=6)
    else:
        by_second.set_xlim(left=0)
    by_second.set_xlabel(f"Time spent on the architecture's trials (s{', log scale' if log else ''})")
    figure.legend(*by_trial.get_legend_handles_labels(), loc="lower center", ncols=columns)
    return figure


def _y_range(axes, ends: list[float], starts: list[float]) -> None:
    """Show where the searches ended; a first trial far below them runs off the edge."""
    spread = max(np.ptp(ends), 0.01 * max(abs(end) for end in ends))
    low = max(min(starts + ends), min(ends) - 2 * spread)
    high = min(max(starts + ends), max(ends) + 2 * spread)
    margin = 0.06 * max(high - low, spread)
    axes.set_ylim(low - margin, high + margin)


def _curves(entry: Entry, sign: int, factor: float) -> tuple[Curve, Curve]:
    """Best so far by number of trials and by seconds, means over folds.

    Only trials of a fold's most epochs count: no choice is made by the scores of those that ended earlier, which
    may be of fewer subjects.
    """
    done = entry.trials.dropna(subset=["score"])
    full = done.epochs == done.groupby("fold").epochs.transform("max")
    best = (sign * done.score).where(full).groupby(done.fold).cummax().groupby(done.fold).ffill()
    folds = done.assign(best=sign * factor * best).groupby("fold")
    scores = [group.best.to_numpy() for _, group in folds]
    times = [group.seconds.cumsum().to_numpy() for _, group in folds]
    length = min(map(len, scores))
    by_trial = np.mean([score[:length] for score in scores], axis=0)
    # From the moment on at which every fold has a score.
    moments = np.unique(np.concatenate(times))
    moments = moments[moments >= max(time[0] for time in times)]
    columns = [
        score[np.searchsorted(time, moments, side="right") - 1]
        for score, time in zip(scores, times, strict=True)
    ]
    return (np.arange(1, length + 1), by_trial), (moments, np.mean(columns, axis=0))
