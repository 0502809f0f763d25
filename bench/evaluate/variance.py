"""How far an estimate may be from the truth, and from how much evidence: subjects and seeds apart.

The truth meant is the metric's value over all subjects like these and over all seeds. A bootstrap over subjects
alone takes the seeds at hand for all there are, so their own part is added. With x the metric of subject i and
seed s = mean + a_i + b_s + e_is, the mean over n subjects and S seeds has the variance
Var(a) / n + Var(e) / (n S) + Var(b) / S. The variance of the bootstrapped means estimates the first two. The
estimates of single seeds scatter with Var(b) + Var(e) / n, and how far they stray from their mean under
resampling is Var(e) / n: the difference, not below zero, is Var(b) (the crossed random effects of Owen 2007, The
pigeonhole bootstrap, section 3; for benchmarks: Bouthillier et al. 2021, Accounting for variance in machine
learning benchmarks). What another training set would change is not in it: cross-validation gives no unbiased
estimate of that (Bengio & Grandvalet 2004). How rows learn the seeds' part from each other: see `seeds`.

Of a mean over classes, a class of three subjects may make up nearly all of the variance, and where those three
are all classified rightly it seems to have none. So variance and degrees of freedom are worked out by class
(Satterthwaite 1946), and each class is given one more, imagined subject that strays as one of any class does,
estimate times (1 - estimate): what Agresti & Coull (1998) do for a single proportion.

A subject of thirty samples among others of one weighs as thirty of them do, and whether it was drawn is most of
what there is to see. So degrees of freedom, and by how much the bootstrap understates, are those of as many equal
subjects as would do (Kish 1965, Survey Sampling, section 8.2): with equal numbers, of all.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.evaluate.bootstrap import Replicates, worth
from bench.evaluate.metrics import get
from bench.evaluate.seeds import Seeds


@dataclass(frozen=True)
class Variance:
    """The variance of an estimate.

    Attributes
    ----------
    subject : from the choice of subjects, seeds inside.
    seed : from the choice of seeds; 0 where nothing is known of it.
    degrees_of_freedom : of a t distribution with this variance (Satterthwaite 1946).
    """

    subject: float
    seed: float
    degrees_of_freedom: float

    @property
    def total(self) -> float:
        return self.subject + self.seed


Part = tuple[float, float]  # a variance and its degrees of freedom


def of_estimate(sample: Replicates) -> Variance:
    """The variance of a mean over seeds."""
    metric = get(sample.metric)
    low, high = metric.bounds
    # Of the subject that each class is given; none for metrics that are no mean over classes.
    pseudo = max((sample.estimate - low) * (high - sample.estimate), 0.0) if metric.per_class else 0.0
    return _combine(_subject_parts(sample, _means(sample), pseudo), [sample.seeds], sample)


def of_difference(a: Replicates, b: Replicates, paired: bool) -> Variance:
    """The variance of a difference between two means over seeds.

    Paired means the same subjects with the same draws; seeds are never paired.
    """
    least = _least_variance(a, b)
    if paired:
        parts = _subject_parts(a, _means(a) - _means(b), least)
    else:
        parts = [part for each in (a, b) for part in _subject_parts(each, _means(each), least / 2)]
    found = _combine(parts, [a.seeds, b.seeds], a if a.n_subjects < b.n_subjects else b)
    # A scatter from two degrees of freedom is often far too small, and then seems not to matter: of five equal
    # networks, two of them with two seeds and three with one, some two were told apart in one sweep of twelve.
    most = min(2 * each.degrees_of_freedom if each.known else math.inf for each in (a.seeds, b.seeds))
    return replace(found, degrees_of_freedom=min(found.degrees_of_freedom, most))


def _means(sample: Replicates) -> np.ndarray:
    return sample.values.mean(axis=1)


def _least_variance(a: Replicates, b: Replicates) -> float:
    """The variance that two more subjects would bring, one right and one wrong by a single seed of a alone.

    Added always: two architectures that happen to agree on forty subjects are not proved to be the same, and
    one that wins five to nil has not a p of 0.02 but of 0.06, by the exact test of McNemar. (Pseudo-subjects
    in the manner of Agresti & Min 2005, Simple improved confidence intervals for comparing matched
    proportions.) The two are shared by the classes of a mean over classes. Graded metrics have no need of them:
    two networks never agree by chance.
    """
    metric, repetitions = get(a.metric), min(len(a.estimates), len(b.estimates))
    if metric.graded:
        return 0.0
    lowest, highest = metric.bounds
    share = float(np.square(a.class_weights).sum()) if metric.per_class else 1.0
    return 2 * share * ((highest - lowest) / repetitions) ** 2


def _subject_parts(sample: Replicates, values: np.ndarray, pseudo: float) -> list[Part]:
    """The variance of bootstrapped `values` `[replicates]` by stratum, pseudo-subjects' variance added.

    What each subject contributes is its covariance with its weight, less the noise of a finite bootstrap (the
    infinitesimal jackknife: Wager, Hastie & Efron 2014, Confidence intervals for random forests, eq. 7).
    """
    finite = np.isfinite(values)
    total = float(values[finite].var(ddof=1)) if finite.sum() > 1 else 0.0
    if not get(sample.metric).per_class:
        total *= _understated(sample.samples)
        return [(total + pseudo / sample.n_subjects**2, max(worth(sample.samples) - 1.0, 1.0))]
    centred = values[finite] - values[finite].mean() if finite.any() else np.zeros(0)
    weights = sample.weights[1:][finite]
    influence = np.square(centred @ weights / max(len(centred), 1)) - total / max(len(centred), 1)
    names, strata, sizes = np.unique(sample.strata, return_inverse=True, return_counts=True)
    shares = np.maximum(np.bincount(strata, influence), 0.0) * (sizes - 1) / sizes
    shares = shares / shares.sum() if shares.sum() > 0 else shares
    class_counts = sample.counts[:, sample.present]
    class_sizes = np.count_nonzero(class_counts, axis=0)
    # Where most of a class's samples are: subjects that have some of several classes are in one stratum.
    homes = np.array([np.bincount(strata, each).argmax() for each in class_counts.T])
    # Of the imagined subjects, which have as many samples as their class's have in the mean.
    more = pseudo * np.square(sample.class_weights / class_sizes)
    parts = []
    for stratum, share, size in zip(range(len(names)), shares, sizes, strict=True):
        members, samples = homes == stratum, sample.samples[strata == stratum]
        variance = total * share * _understated(samples) * (size - 1) / size + more[members].sum()
        parts.append((float(variance), min([worth(samples), *sample.class_worths[members]]) + 1.0))
    return parts


def _understated(samples: np.ndarray) -> float:
    """By what the variance of bootstrapped means is too small, which is made for as many equal subjects.

    By twice at most: of one subject that is all there is, no factor makes two.
    """
    return (1 - 1 / len(samples)) / (1 - 1 / max(worth(samples), 2.0))


def _combine(parts: list[Part], seeds: Sequence[Seeds], sample: Replicates) -> Variance:
    subject, seed = sum(part for part, _ in parts), sum(each.variance for each in seeds)
    # A seed part is as uncertain as the scatter it was taken from, also where little is left of it; two that
    # have learned from the same rows are no independent evidence.
    scatters = [(each.scatter / each.count, each.degrees_of_freedom) for each in seeds if each.scatter > 0]
    if scatters:
        parts = [*parts, (sum(part for part, _ in scatters), min(freedom for _, freedom in scatters))]
    weight = sum(part**2 / freedom for part, freedom in parts)
    total = subject + seed
    otherwise = max(worth(sample.samples) - len(np.unique(sample.strata)), 1.0)
    return Variance(subject, seed, max(total**2 / weight, 1.0) if total > 0 and weight > 0 else otherwise)
