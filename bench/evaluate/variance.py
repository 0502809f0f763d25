"""How far an estimate may be from the truth, and from how much evidence: subjects and seeds apart.

The truth meant is the metric's value over all subjects like these and over all seeds. A bootstrap over
subjects alone takes the seeds at hand for all there are; two sets of five seeds of one architecture then
differ "significantly" more often than stated. So the seeds' own part is added. With x the metric of subject
i and seed s = mean + a_i + b_s + e_is, the mean over n subjects and S seeds has the variance
Var(a) / n + Var(e) / (n S) + Var(b) / S. The variance of the bootstrapped means estimates the first two.
The estimates of single seeds scatter with Var(b) + Var(e) / n, and how far single seeds stray from
their mean under resampling of the subjects is Var(e) / n: the difference, not below zero, is Var(b)
(the crossed random effects of Owen 2007, The pigeonhole bootstrap, section 3; for benchmarks: Bouthillier
et al. 2021, Accounting for variance in machine learning benchmarks). What another training set would change
is not in it: cross-validation gives no unbiased estimate of that (Bengio & Grandvalet 2004).
"""

from dataclasses import dataclass

import numpy as np

from bench.evaluate.bootstrap import Replicates


@dataclass(frozen=True)
class Variance:
    """The variance of an estimate.

    Attributes
    ----------
    subject : from the choice of subjects, seeds inside.
    seed : from the choice of seeds; 0 where there is one seed only, which shows nothing of it.
    degrees_of_freedom : of a t distribution with this variance (Satterthwaite 1946).
    """

    subject: float
    seed: float
    degrees_of_freedom: float

    @property
    def total(self) -> float:
        return self.subject + self.seed


def of_estimate(sample: Replicates) -> Variance:
    """The variance of a mean over seeds."""
    seed, scatter, freedom = _seed_part(sample)
    return _combine(_variance(_means(sample)), _subject_freedom(sample), [(seed, scatter, freedom)])


def of_difference(a: Replicates, b: Replicates, paired: bool, alike: bool = False) -> Variance:
    """The variance of a difference between two means over seeds.

    Paired means the same subjects with the same draws; seeds are never paired. Alike means that the seeds
    of both scatter by as much, so that a side with a single one is judged by the other's.
    """
    if paired:
        subject = _variance(_means(a) - _means(b))
        freedom = _subject_freedom(a)
    else:
        parts = [_variance(_means(sample)) for sample in (a, b)]
        subject = sum(parts)
        freedoms = [_subject_freedom(sample) for sample in (a, b)]
        freedom = _satterthwaite(subject, list(zip(parts, freedoms, strict=True)), min(freedoms))
    seeds = [_pooled_seed_part(a, b)] if alike else [_seed_part(a), _seed_part(b)]
    return _combine(subject, freedom, seeds)


def _means(sample: Replicates) -> np.ndarray:
    return sample.values.mean(axis=1)


def _variance(values: np.ndarray) -> float:
    """Variance over the replicates where the metric is defined."""
    finite = values[np.isfinite(values)]
    return float(finite.var(ddof=1)) if len(finite) > 1 else 0.0


def _subject_freedom(sample: Replicates) -> float:
    return float(max(sample.n_subjects - sample.n_strata, 1))


def _seed_part(sample: Replicates) -> tuple[float, float, float]:
    """The seeds' part of the variance of the mean; the raw scatter it comes from; its degrees of freedom."""
    count = len(sample.estimates)
    if count < 2:
        return 0.0, 0.0, 1.0
    scatter = float(sample.estimates.var(ddof=1))
    strays = sample.values - _means(sample)[:, None]
    by_chance = sum(_variance(column) for column in strays.T) / (count - 1)
    return max(scatter - by_chance, 0.0) / count, scatter / count, count - 1.0


def _pooled_seed_part(a: Replicates, b: Replicates) -> tuple[float, float, float]:
    """`_seed_part` of a difference whose sides scatter alike: their variances pooled by degrees of freedom."""
    sides = [(len(sample.estimates), _seed_part(sample)) for sample in (a, b) if len(sample.estimates) > 1]
    freedom = sum(count - 1 for count, _ in sides)
    if not freedom:
        return 0.0, 0.0, 1.0
    pooled = [sum((count - 1) * count * part[i] for count, part in sides) / freedom for i in (0, 1)]
    shares = 1 / len(a.estimates) + 1 / len(b.estimates)
    return pooled[0] * shares, pooled[1] * shares, float(freedom)


def _combine(subject: float, subject_freedom: float, seeds: list[tuple[float, float, float]]) -> Variance:
    seed = sum(part for part, _, _ in seeds)
    # A seed part is as uncertain as the scatter it was taken from, also where little is left of it.
    uncertain = [(subject, subject_freedom)] + [(scatter, freedom) for _, scatter, freedom in seeds]
    return Variance(subject, seed, _satterthwaite(subject + seed, uncertain, subject_freedom))


def _satterthwaite(total: float, parts: list[tuple[float, float]], otherwise: float) -> float:
    weight = sum(part**2 / freedom for part, freedom in parts)
    return max(total**2 / weight, 1.0) if total > 0 and weight > 0 else otherwise
