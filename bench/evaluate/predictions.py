"""Predictions of refits on test subjects: what every number of a report is computed from."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Run:
    """The predictions of one refit on the test part of one fold.

    Attributes
    ----------
    y : int `[n]`, the true class of each sample.
    probabilities : float `[n, classes]`, rows that sum to one.
    subjects : str `[n]`, whose sample it is; a subject may have several.
    fold, seed : which division of the subjects, and which seed of the refit.

    Raises
    ------
    ValueError : lengths that differ, a class outside the columns of `probabilities`, or a probability
        that is negative or not finite.
    """

    y: np.ndarray
    probabilities: np.ndarray
    subjects: np.ndarray
    fold: int
    seed: int

    def __post_init__(self) -> None:
        y, probabilities = np.asarray(self.y), np.asarray(self.probabilities)
        if probabilities.ndim != 2 or y.shape != probabilities.shape[:1] or len(self.subjects) != len(y):
            raise ValueError(
                f"shapes differ: y {y.shape}, probabilities {probabilities.shape}, "
                f"subjects ({len(self.subjects)},)"
            )
        if len(y) == 0:
            raise ValueError("a run without samples")
        if not (np.isfinite(probabilities).all() and probabilities.min() >= 0):
            raise ValueError("probabilities must be finite and not negative")
        if y.min() < 0 or y.max() >= probabilities.shape[1]:
            raise ValueError(f"y outside 0..{probabilities.shape[1] - 1}")

    @property
    def n_classes(self) -> int:
        return int(np.asarray(self.probabilities).shape[1])


def repetitions(runs: Sequence[Run]) -> list[list[Run]]:
    """Arrange runs as repetitions, each with one run of every fold: a complete out-of-fold prediction.

    Seeds are taken in their order within a fold. A fold with fewer seeds than another (a sweep half
    done) uses its own again, so that every repetition covers the same subjects and every fold's mean
    is over its own seeds as nearly as whole numbers allow.

    Raises
    ------
    ValueError : no runs, different numbers of classes, or seeds of one fold with different samples.
    """
    if not runs:
        raise ValueError("no runs to evaluate")
    if len({run.n_classes for run in runs}) > 1:
        raise ValueError("runs differ in their number of classes")
    folds = by_fold(runs)
    for members in folds.values():
        for run in members[1:]:
            require_same_samples(members[0], run)
    count = max(len(members) for members in folds.values())
    return [[members[i % len(members)] for members in folds.values()] for i in range(count)]


def require_same_samples(a: Run, b: Run) -> None:
    """Refuse two seeds of a fold whose samples differ.

    Raises
    ------
    ValueError : other classes, subjects or order.
    """
    if not (np.array_equal(a.y, b.y) and np.array_equal(a.subjects, b.subjects)):
        raise ValueError(f"fold {a.fold}: seeds {a.seed} and {b.seed} predict different samples")


def by_fold(runs: Iterable[Run]) -> dict[int, list[Run]]:
    """Group runs by fold, folds and the seeds in them in rising order."""
    folds: dict[int, list[Run]] = {}
    for run in sorted(runs, key=lambda run: (run.fold, run.seed)):
        folds.setdefault(run.fold, []).append(run)
    return folds


def restrict(runs: Iterable[Run], subjects: np.ndarray) -> list[Run]:
    """Leave only the samples of `subjects`; runs with none of them are dropped."""
    kept = []
    for run in runs:
        mask = np.isin(run.subjects, subjects)
        if mask.all():
            kept.append(run)
        elif mask.any():
            kept.append(Run(run.y[mask], run.probabilities[mask], run.subjects[mask], run.fold, run.seed))
    return kept


def ensemble(runs: Sequence[Run]) -> Run:
    """Average the probabilities of several seeds of one fold into one run.

    All runs must have the same samples in the same order. The ensemble's seed is the lowest of theirs.

    Raises
    ------
    ValueError : no runs, several folds, or samples that differ.
    """
    if not runs:
        raise ValueError("no runs to average")
    first = min(runs, key=lambda run: run.seed)
    for run in runs:
        if run.fold != first.fold:
            raise ValueError(f"an ensemble is of one fold, found folds {first.fold} and {run.fold}")
        require_same_samples(first, run)
    ordered = sorted(runs, key=lambda run: run.seed)
    mean = np.mean([np.asarray(run.probabilities, dtype=np.float64) for run in ordered], axis=0)
    return Run(first.y, mean, first.subjects, first.fold, first.seed)
