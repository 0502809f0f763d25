"""The bootstrap over subjects: weights, and a metric of every repetition under each of them.

A subject that is drawn brings all its samples, in every fold and with every seed (Field & Welsh 2007, Bootstrapping
clustered data: the cluster bootstrap). For metrics that are a mean over classes the draws are stratified by
class, since a class of four subjects would be missing from one replicate in sixty; for the others they run over all
subjects, since how many there are of each class enters their meaning. Of the n subjects of a stratum n - 1 are
drawn, each counting n / (n - 1), because n of n would understate the variance by that factor (Rao & Wu 1988,
Resampling inference with complex survey data).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from bench.data.dataset import fingerprint
from bench.evaluate import seeds
from bench.evaluate.metrics import bounds, get
from bench.evaluate.predictions import Run, repetitions
from bench.evaluate.seeds import Seeds
from bench.evaluate.weighted_metrics import evaluate

_BLOCK = 250  # replicates that are drawn at once
REPLICATES = 2000


@dataclass(frozen=True)
class Replicates:
    """A metric of an architecture's runs, as observed and resampled.

    Attributes
    ----------
    metric : its name.
    runs : what it was computed from.
    subjects : str `[subjects]`: those tested, sorted.
    counts : int `[subjects, classes]`, how many samples of a class each has; several classes, perhaps.
    estimates : float `[repetitions]`, the metric with each seed, folds pooled.
    values : float `[replicates, repetitions]`, the same with resampled subjects.
    strata : int `[subjects]`, the groups that the subjects are drawn in.
    weights : float `[1 + replicates, subjects]`, the draws; the first row is of ones.
    seeds : how far the seeds scatter.
    """

    metric: str
    runs: Sequence[Run]
    subjects: np.ndarray
    counts: np.ndarray
    estimates: np.ndarray
    values: np.ndarray
    strata: np.ndarray
    weights: np.ndarray
    seeds: Seeds

    @property
    def n_subjects(self) -> int:
        return len(self.subjects)

    @property
    def labels(self) -> np.ndarray:
        """The class of most of each subject's samples, the first of equal ones, int `[subjects]`."""
        return self.counts.argmax(axis=1)

    @property
    def samples(self) -> np.ndarray:
        """How many samples each subject has, int `[subjects]`."""
        return self.counts.sum(axis=1)

    @property
    def present(self) -> np.ndarray:
        """The classes that there are samples of, int `[classes present]`."""
        return np.flatnonzero(self.counts.any(axis=0))

    @property
    def n_folds(self) -> int:
        return len({run.fold for run in self.runs})

    @property
    def bounds(self) -> tuple[float, float]:
        """The metric's lowest and highest possible value."""
        return bounds(self.metric, self.counts.shape[1])

    @property
    def estimate(self) -> float:
        """The metric: mean over seeds, folds pooled."""
        return float(self.estimates.mean())

    @property
    def class_weights(self) -> np.ndarray:
        """What each class that is present weighs in the metric, float `[classes present]`."""
        present, of_class = self.present, get(self.metric).of_class
        return np.full(len(present), 1 / len(present)) if of_class is None else (present == of_class) * 1.0

    @property
    def effective_subjects(self) -> float:
        """How many subjects drawn at random a mean over classes is worth; for other metrics what all are."""
        weights = self.class_weights
        if not get(self.metric).per_class or not weights.any():
            return worth(self.samples)
        return min(float(1 / np.sum(weights**2 / self.class_worths)), float(self.n_subjects))

    @property
    def class_worths(self) -> np.ndarray:
        """What the subjects of each class that is present are `worth`, float `[classes present]`."""
        return np.array([worth(samples[samples > 0]) for samples in self.counts.T[self.present]])


def worth(samples: np.ndarray) -> float:
    """How many subjects with equal numbers of samples those with `samples` each are worth (Kish 1965)."""
    return float(samples.sum() ** 2 / np.square(samples).sum())


def resample(runs: Sequence[Run], metric: str, *, seedless: bool = False) -> Replicates:
    """Compute a metric of `runs` under the resampled subjects.

    The weights depend on the subjects and their classes alone, which pairs architectures tested on the same ones.

    `seedless`: the method has no seed, as classical references have none, so a single run shows all there is.
    """
    arranged = repetitions(runs)
    subjects, counts = _subject_counts(arranged[0])
    labels = counts.argmax(axis=1)
    strata = collapse(labels) if get(metric).per_class else np.zeros_like(labels)
    weights = draw(subjects, strata)
    table, limits = evaluate(metric, arranged, subjects, weights), bounds(metric, counts.shape[1])
    return Replicates(
        metric=metric,
        runs=runs,
        subjects=subjects,
        counts=counts,
        estimates=table[0],
        values=table[1:],
        strata=strata,
        weights=weights,
        seeds=seeds.NONE
        if seedless
        else seeds.of_replicates(
            table[0], table[1:], _unit(limits, table[0], len(subjects)) / len(arranged[0])
        ),
    )


def _unit(limits: tuple[float, float], estimates: np.ndarray, n_subjects: int) -> float:
    """The variance of a proportion as large as the mean of `estimates`, of half a subject's error at least."""
    lowest, highest = limits
    estimate = float(estimates.mean())
    if np.isinf(highest):
        return max(estimate**2, 1e-12)
    part = (n_subjects * (estimate - lowest) / (highest - lowest) + 0.5) / (n_subjects + 1)
    return part * (1 - part)


def resample_all(
    runs_by_name: Mapping[str, Sequence[Run]], metric: str, seedless: Collection[str] = ()
) -> dict[str, Replicates]:
    """Compute a metric of all rows of a report under the resampled subjects, their seeds' variances pooled."""
    samples = {name: resample(runs, metric, seedless=name in seedless) for name, runs in runs_by_name.items()}
    return pool_seeds(samples)


def pool_seeds(samples: Mapping[str, Replicates], *, alike: bool = False) -> dict[str, Replicates]:
    """Let the rows learn from each other how far seeds scatter (see `seeds.pool`)."""
    pooled = seeds.pool([sample.seeds for sample in samples.values()], alike=alike)
    return {
        name: replace(sample, seeds=each)
        for (name, sample), each in zip(samples.items(), pooled, strict=True)
    }


def _subject_counts(runs: Sequence[Run]) -> tuple[np.ndarray, np.ndarray]:
    """The subjects of a repetition, sorted, and how many samples of each class they have."""
    names, position = np.unique(np.concatenate([run.subjects for run in runs]), return_inverse=True)
    y = np.concatenate([run.y for run in runs])
    counts = np.zeros((len(names), runs[0].n_classes), dtype=int)
    np.add.at(counts, (position, y), 1)
    return names, counts


def collapse(labels: np.ndarray) -> np.ndarray:
    """Strata from classes, int `[subjects]`: a class of one subject joins the smallest other one.

    One subject has no variance to resample; survey statistics collapses such strata (Wolter 2007,
    Introduction to Variance Estimation, section 2.5).
    """
    strata = labels.copy()
    while True:
        present, counts = np.unique(strata, return_counts=True)
        if counts.min() > 1 or len(present) == 1:
            return strata
        order = np.argsort(counts, kind="stable")
        strata[strata == present[order[0]]] = present[order[1]]


def draw(subjects: np.ndarray, strata: np.ndarray) -> np.ndarray:
    """Weights of the subjects, float `[1 + REPLICATES, subjects]`; the first row is of ones."""
    return _draw("\0".join(map(str, subjects)), strata.astype(np.int64).tobytes())


@lru_cache(maxsize=4)
def _draw(subjects: str, strata_bytes: bytes) -> np.ndarray:
    strata = np.frombuffer(strata_bytes, dtype=np.int64)
    random = np.random.default_rng(int(fingerprint("bootstrap", subjects, strata_bytes), 16))
    weights = np.ones((1 + REPLICATES, len(strata)))
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        size = len(members)
        if size == 1:
            continue
        # of all at once, tables would take three times the memory
        for first in range(1, 1 + REPLICATES, _BLOCK):
            rows = np.arange(min(_BLOCK, 1 + REPLICATES - first))
            drawn = random.integers(size, size=(len(rows), size - 1))
            cells = (drawn + size * rows[:, None]).ravel()
            counts = np.bincount(cells, minlength=len(rows) * size).reshape(len(rows), size)
            weights[np.ix_(first + rows, members)] = counts * (size / (size - 1))
    weights.setflags(write=False)
    return weights
