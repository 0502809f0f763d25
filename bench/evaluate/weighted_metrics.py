"""Metrics under many weightings of the subjects at once: what makes a bootstrap of thousands affordable.

Most metrics are functions of sums over samples: of counts in the confusion matrix, of losses, of gaps in a bin. So
each subject's share of the sums is worked out once, and a matrix product with the weights gives the sums of every
replicate. Values with equal weights are those of `metric_definitions` (the tests hold them together).

Folds are pooled, so one of three subjects in which a class is missing gets no metric of its own (Forman & Scholz
2010, Apples-to-apples in cross-validation studies: averaging F1 over folds is biased, pooling the counts is not).
Only the AUC compares samples within a fold alone, since the scores of different models have no common scale, and
pools the pairs.
"""

from collections.abc import Callable, Sequence

import numpy as np

from bench.evaluate import metric_definitions, metrics
from bench.evaluate.predictions import Run

# A metric as a function of sums over samples: how many sums; from `(y, probabilities)` pairs of the sum that each
# sample adds to, int or int `[n]`, and of what it adds, float `[n]`; the metric from the sums `[..., sums]`.
Pairs = Callable[[np.ndarray, np.ndarray], list[tuple[np.ndarray | int, np.ndarray]]]
Family = tuple[int, Pairs, Callable[[np.ndarray], np.ndarray]]


def evaluate(name: str, arranged: list[list[Run]], subjects: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Compute a metric of each repetition under each weighting of the subjects.

    Parameters
    ----------
    arranged : repetitions, each with a run of every fold (see `predictions.repetitions`).
    subjects : str `[subjects]`, sorted.
    weights : float `[weightings, subjects]`.

    Returns float `[weightings, repetitions]`, nan where the metric is undefined.
    """
    # All seeds of a fold predict the same samples, so the first repetition's owners are everyone's.
    owners = [np.searchsorted(subjects, run.subjects) for run in arranged[0]]
    if name == "auc":
        return np.stack([_auc(folds, owners, weights) for folds in arranged], axis=1)
    width, pairs, value = _family(name, arranged[0][0].n_classes)
    # Each subject's share of the sums, with each seed.
    shares = np.zeros((len(subjects), len(arranged), width))
    for number, folds in enumerate(arranged):
        for run, owner in zip(folds, owners, strict=True):
            for column, added in pairs(run.y, run.probabilities):
                counts = np.bincount(owner * width + column, added, minlength=len(subjects) * width)
                shares[:, number] += counts.reshape(-1, width)
    totals = weights @ shares.reshape(len(subjects), -1)
    return value(totals.reshape(len(weights), len(arranged), -1))


def pooled(name: str, parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    """A metric of what several networks predicted, `(y, probabilities)` of each, as `evaluate` pools folds."""
    if name != "auc" or len(parts) == 1:
        y, probabilities = map(np.concatenate, zip(*parts, strict=True))
        return metrics.score(name, y, probabilities)
    runs = [Run(y, answers, np.zeros(len(y), str), place, 0) for place, (y, answers) in enumerate(parts)]
    return float(evaluate(name, [runs], np.zeros(1, str), np.ones((1, 1)))[0, 0])


def _family(name: str, n_classes: int) -> Family:
    losses = {"accuracy": _correct, "log_loss": _log_losses, "brier": metric_definitions.squared_errors}
    if name in losses:
        return (
            2,
            lambda y, p: [(0, losses[name](y, p)), (1, np.ones(len(y)))],
            lambda sums: _ratio(sums[..., 0], sums[..., 1]),
        )
    if name == "calibration_error":
        last = metric_definitions.CALIBRATION_BINS
        return last + 1, _gaps, lambda sums: _ratio(np.abs(sums[..., :last]).sum(axis=-1), sums[..., last])
    if name == "balanced_accuracy":
        return _recalls(list(range(n_classes)), n_classes)
    if (of_class := metrics.get(name).of_class) is not None:
        return _recalls([of_class], n_classes)
    from_confusion = {"macro_f1": _macro_f1, "mcc": _mcc, "quadratic_weighted_kappa": _kappa}[name]
    return (
        n_classes**2,
        lambda y, p: [(y * n_classes + p.argmax(axis=1), np.ones(len(y)))],
        # Confusion matrices `[..., true, predicted]`.
        lambda sums: from_confusion(sums.reshape(*sums.shape[:-1], n_classes, n_classes)),
    )


def _correct(y: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    return (probabilities.argmax(axis=1) == y).astype(float)


def _log_losses(y: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    return -np.log(metric_definitions.clip(probabilities)[np.arange(len(y)), y])


def _recalls(columns: list[int], n_classes: int) -> Family:
    """Mean over `columns` of recall, classes without weight left out."""

    def value(sums: np.ndarray) -> np.ndarray:
        hits, counts = np.split(sums, 2, axis=-1)
        return _mean_of_present(_ratio(hits[..., columns], counts[..., columns]))

    return 2 * n_classes, lambda y, p: [(y, _correct(y, p)), (y + n_classes, np.ones(len(y)))], value


def _gaps(y: np.ndarray, probabilities: np.ndarray) -> list[tuple[np.ndarray | int, np.ndarray]]:
    gaps = _correct(y, probabilities) - probabilities.max(axis=1)
    bins = metric_definitions.confidence_bins(probabilities)
    return [(bins, gaps), (metric_definitions.CALIBRATION_BINS, np.ones(len(y)))]


def _macro_f1(confusion: np.ndarray) -> np.ndarray:
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    true, predicted = confusion.sum(axis=-1), confusion.sum(axis=-2)
    return _mean_of_present(np.where(true > 0, _ratio(2 * hits, true + predicted), np.nan))


def _mcc(confusion: np.ndarray) -> np.ndarray:
    """Gorodkin 2004, the form of `sklearn.metrics.matthews_corrcoef`."""
    true, predicted = confusion.sum(axis=-1), confusion.sum(axis=-2)
    total = true.sum(axis=-1)
    hits = np.trace(confusion, axis1=-2, axis2=-1)
    covariance = hits * total - (true * predicted).sum(axis=-1)
    spread = (total**2 - (true**2).sum(axis=-1)) * (total**2 - (predicted**2).sum(axis=-1))
    # Rounding may leave a trace of spread where it is none: all in one row or in one column.
    defined = spread > 1e-9 * total**4
    return np.where(defined, covariance / np.sqrt(np.where(defined, spread, 1.0)), 0.0)


def _kappa(confusion: np.ndarray) -> np.ndarray:
    """Cohen 1968, quadratic weights."""
    ranks = np.arange(confusion.shape[-1])
    penalty = np.square(ranks[:, None] - ranks[None, :])
    true, predicted = confusion.sum(axis=-1), confusion.sum(axis=-2)
    observed = (penalty * confusion).sum(axis=(-2, -1)) * true.sum(axis=-1)
    chance = np.einsum("...i,ij,...j->...", true, penalty, predicted)
    return 1.0 - _ratio(observed, chance)


def _auc(folds: list[Run], owners: list[np.ndarray], weights: np.ndarray) -> np.ndarray:
    """One-vs-rest areas by the Mann-Whitney count of pairs within folds, ties one half; mean over classes."""
    n_classes = folds[0].n_classes
    areas = []
    for column in [1] if n_classes == 2 else range(n_classes):
        concordant, pairs = np.zeros(len(weights)), np.zeros(len(weights))
        for run, owner in zip(folds, owners, strict=True):
            order = np.argsort(run.probabilities[:, column], kind="stable")
            scores, positive = run.probabilities[order, column], run.y[order] == column
            starts = np.flatnonzero(np.r_[True, scores[1:] != scores[:-1]])
            sample_weights = weights[:, owner[order]]
            above = np.add.reduceat(sample_weights * positive, starts, axis=1)
            below = np.add.reduceat(sample_weights * ~positive, starts, axis=1)
            concordant += (above * (below.cumsum(axis=1) - below / 2)).sum(axis=1)
            pairs += above.sum(axis=1) * below.sum(axis=1)
        areas.append(_ratio(concordant, pairs))
    return _mean_of_present(np.stack(areas, axis=-1))


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Divide, nan where the denominator is zero."""
    present = denominator > 0
    return np.where(present, numerator / np.where(present, denominator, 1.0), np.nan)


def _mean_of_present(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis without nan; nan where nothing is left."""
    present = ~np.isnan(values)
    return _ratio(np.where(present, values, 0.0).sum(axis=-1), present.sum(axis=-1))
