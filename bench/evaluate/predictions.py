"""Predictions of refits on test subjects: what every number of a report is computed from."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

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

    Raises ValueError: lengths that differ, a class outside the columns of `probabilities`, or a probability that is
    negative or not finite.
    """

    y: np.ndarray
    probabilities: np.ndarray
    subjects: np.ndarray
    fold: int
    seed: int

    def __post_init__(self) -> None:
        y, probabilities = self.y, self.probabilities
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
        return self.probabilities.shape[1]


def repetitions(runs: Sequence[Run]) -> list[list[Run]]:
    """Arrange runs as repetitions, each with one run of every fold: a complete out-of-fold prediction.

    Seeds are taken in their order within a fold. A fold with fewer seeds than another (a sweep half
    done) uses its own again, so that every repetition covers the same subjects and every fold's mean
    is over its own seeds as nearly as whole numbers allow.

    Raises ValueError: no runs, different numbers of classes, or seeds of one fold with different samples.
    """
    if not runs:
        raise ValueError("no runs to evaluate")
    if len({run.n_classes for run in runs}) > 1:
        raise ValueError("runs differ in their number of classes")
    folds = by_fold(runs)
    for members in folds.values():
        first = members[0]
        for run in members[1:]:
            if not (np.array_equal(first.y, run.y) and np.array_equal(first.subjects, run.subjects)):
                raise ValueError(
                    f"fold {first.fold}: seeds {first.seed} and {run.seed} predict different samples"
                )
    count = max(len(members) for members in folds.values())
    return [[members[i % len(members)] for members in folds.values()] for i in range(count)]


def by_fold(runs: Iterable[Run]) -> dict[int, list[Run]]:
    """Group runs by fold, folds and the seeds in them in rising order."""
    ordered = sorted(runs, key=lambda run: (run.fold, run.seed))
    return {fold: list(members) for fold, members in groupby(ordered, key=lambda run: run.fold)}


def restrict(runs: Iterable[Run], subjects: np.ndarray) -> list[Run]:
    """Leave only the samples of `subjects`; runs with none of them are dropped."""
    masked = [(run, np.isin(run.subjects, subjects)) for run in runs]
    return [
        Run(run.y[mask], run.probabilities[mask], run.subjects[mask], run.fold, run.seed)
        for run, mask in masked
        if mask.any()
    ]


def ensemble(runs: Iterable[Run]) -> list[Run]:
    """Average the probabilities of the seeds of each fold; empty where no fold has two of them."""
    folds = by_fold(runs).values()
    if max(map(len, folds)) < 2:
        return []
    means = [np.mean([run.probabilities.astype(np.float64) for run in members], axis=0) for members in folds]
    return [replace(members[0], probabilities=mean) for members, mean in zip(folds, means, strict=True)]
