"""Which differences between architectures the test subjects can show, and which they cannot."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from scipy.special import stdtr

from bench.evaluate import variance
from bench.evaluate.bootstrap import Replicates, pool_seeds, resample
from bench.evaluate.intervals import t_quantile
from bench.evaluate.metrics import sign
from bench.evaluate.predictions import Run, restrict

SIGNIFICANCE = 0.05


@dataclass(frozen=True)
class Difference:
    """The metric of a less that of b, in the metric's own direction.

    Attributes
    ----------
    estimate, low, high : the difference and its 95% limits, not corrected for other comparisons.
    p : two-sided, that a and b are equal over all subjects and seeds; not corrected.
    effect_size : Cohen's d_z (Cohen 1988, section 2.3; Lakens 2013): the difference over the standard
        deviation of the subjects' own differences, as a bootstrap over subjects shows it; where not paired,
        Cohen's d, over that of the subjects' values. 0.2 is called small, 0.5 medium, 0.8 large; nan where they
        do not vary.
    paired : whether both predicted the same subjects and so are compared subject by subject.
    n_subjects : subjects compared; of the smaller side where not paired.
    estimates : of a and of b, over the subjects that were compared.
    seeds_known : whether anything shows how far seeds scatter. If not, limits and p are about these very
        networks, and say nothing of their architectures.
    """

    estimate: float
    low: float
    high: float
    p: float
    effect_size: float
    paired: bool
    n_subjects: int
    estimates: tuple[float, float]
    seeds_known: bool = True


@dataclass(frozen=True)
class Comparison:
    """One architecture against the best.

    Attributes
    ----------
    difference : of this one less the best (negative is worse where more is better). Over the subjects that both
        were tested on, which may be fewer than all, it may also be better.
    p_holm : corrected for all pairs of architectures; 1 where seeds are unknown.
    distinguishable : whether `p_holm` is below 0.05.
    """

    difference: Difference
    p_holm: float
    distinguishable: bool


def compare_with_best(samples: Mapping[str, Replicates]) -> dict[str, Comparison]:
    """Compare every architecture with the one whose estimate is best.

    The best is chosen by the very data it is then tested on: of five equal architectures, the first and the last
    differ by more than any two chosen beforehand. The p values are therefore corrected (Holm 1979) for all pairs,
    whichever of them the data turn out to single out. Where nothing shows how far seeds differ, nothing is
    claimed: of five networks of one architecture whose seeds scatter by two points of accuracy, some two differ
    "significantly" in one sweep of six with 200 subjects.

    `samples`: the rows of a report (`bootstrap.resample_all`); those whose metric is undefined are left out.

    Returns a comparison for each architecture but the best, in the order given; empty for only one.
    """
    best = best_of(samples)
    names = [name for name, sample in samples.items() if math.isfinite(sample.estimate) and name != best]
    pairs = combinations([*names, best], 2) if names else ()  # each name less the best
    differences = {(a, b): difference(samples[a], samples[b]) for a, b in pairs}
    p_values = [each.p if each.seeds_known else 1.0 for each in differences.values()]
    corrected = dict(zip(differences, holm(p_values), strict=True))
    return {
        name: Comparison(differences[name, best], corrected[name, best], corrected[name, best] < SIGNIFICANCE)
        for name in names
    }


def best_of(samples: Mapping[str, Replicates]) -> str:
    """The name of the best estimate among `contenders`, the first of equal ones; "" where none is defined."""
    among = contenders(samples)
    return max(among, key=lambda name: sign(among[name].metric) * among[name].estimate, default="")


def contenders(samples: Mapping[str, Replicates]) -> dict[str, Replicates]:
    """Those that the best is chosen from: with an estimate, and tested on as many subjects as any.

    One that has been tested in a single fold may have had the easy one.
    """
    finite = {name: sample for name, sample in samples.items() if math.isfinite(sample.estimate)}
    most = max((sample.n_subjects for sample in finite.values()), default=0)
    return {name: sample for name, sample in finite.items() if sample.n_subjects == most}


def paired_difference(
    runs_a: Sequence[Run], runs_b: Sequence[Run], metric: str, *, alike: bool = False
) -> Difference:
    """Compare two sets of runs, a less b, which nothing else shows the scatter of seeds for.

    `alike`: take the seeds of both to scatter by as much, as those of one network with one thing switched do.

    Raises ValueError: no runs on a side, or an unknown metric.
    """
    samples = {"a": resample(runs_a, metric), "b": resample(runs_b, metric)}
    return difference(*pool_seeds(samples, alike=alike).values())


def difference(a: Replicates, b: Replicates) -> Difference:
    """Compare two samples of a metric, a less b: rows of a report, an ablation, a report with an earlier one.

    Paired over the subjects that both have, if these are at least half of either side's and have the same
    classes; otherwise all subjects of each side are taken for independent samples, and `paired` is false.
    """
    if np.array_equal(a.subjects, b.subjects):
        return _assess(a, b, np.array_equal(a.labels, b.labels))
    common, in_a, in_b = np.intersect1d(a.subjects, b.subjects, return_indices=True)
    enough = 2 * len(common) >= max(min(a.n_subjects, b.n_subjects), 4)
    if not (enough and np.array_equal(a.labels[in_a], b.labels[in_b])):
        return _assess(a, b, False)
    return _assess(_restrict(a, common), _restrict(b, common), True)


def _restrict(sample: Replicates, subjects: np.ndarray) -> Replicates:
    """The sample of these subjects alone, what is known of its seeds kept.

    Each fold's networks were trained by themselves: a mean over fewer folds scatters more from seed to seed.
    """
    restricted = resample(restrict(sample.runs, subjects), sample.metric)
    fewer, seeds = sample.n_folds / restricted.n_folds, sample.seeds
    return replace(
        restricted,
        seeds=replace(
            seeds,
            count=restricted.seeds.count,
            scatter=seeds.scatter * fewer,
            by_chance=seeds.by_chance * fewer,
        ),
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p values for their number: any false claim has at most the stated chance (Holm 1979)."""
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p)
    stepped = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected.tolist()


def _assess(a: Replicates, b: Replicates, paired: bool) -> Difference:
    n_subjects = min(a.n_subjects, b.n_subjects)
    estimate = a.estimate - b.estimate
    if not math.isfinite(estimate):
        nan, both = math.nan, (a.estimate, b.estimate)
        return Difference(nan, nan, nan, 1.0, nan, paired, n_subjects, both)
    spread = variance.of_difference(a, b, paired)
    error = math.sqrt(spread.total)
    half = t_quantile(spread.degrees_of_freedom) * error
    lowest, highest = a.bounds
    return Difference(
        estimate=estimate,
        low=max(estimate - half, lowest - highest),
        high=min(estimate + half, highest - lowest),
        p=float(2 * stdtr(spread.degrees_of_freedom, -abs(estimate) / error)) if estimate else 1.0,
        effect_size=estimate / _deviation(a, b, paired) if estimate else 0.0,
        paired=paired,
        n_subjects=n_subjects,
        estimates=(a.estimate, b.estimate),
        seeds_known=a.seeds.known and b.seeds.known,
    )


def _deviation(a: Replicates, b: Replicates, paired: bool) -> float:
    """The standard deviation that an effect size is measured in; nan where there is none."""
    means = [sample.values.mean(axis=1) for sample in (a, b)]
    each = [means[0] - means[1]] if paired else means
    counts = [a.n_subjects, b.n_subjects]
    variances = [
        count * float(np.nanvar(values, ddof=1)) for count, values in zip(counts, each, strict=False)
    ]
    return math.sqrt(sum(variances) / len(variances)) or math.nan
