"""How far an architecture's results scatter from seed to seed, learned from all rows of a report together.

Two or three seeds show next to nothing of their own variance. Architectures trained alike on the same data
differ in it, but not without bounds, so each one's is shrunken towards what all rows show, and the degrees of
freedom of both add up (Smyth 2004, Linear models and empirical Bayes methods, section 3: the moderated t
statistic). Near the end of its range a metric cannot scatter as in the middle, so variances are compared in
units of a proportion's, p (1 - p). A row of a single seed is judged by the others alone; where no row has two
seeds, nothing is known.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

# Squared coefficient of variation of true variances that is taken for granted: half of the architectures
# with four times the variance of the other half. No pooling supposes them to be more alike.
_LEAST_HETEROGENEITY = 1 / 3


@dataclass(frozen=True)
class Seeds:
    """The seeds' part in the variance of a mean over seeds.

    Attributes
    ----------
    count : how many seeds the mean is over.
    scatter : variance of the estimate of a single seed.
    by_chance : what of that the seed's own errors on these very subjects make, which a bootstrap over subjects
        shows already.
    degrees_of_freedom : of `scatter`; 0 where nothing is known, infinite for a method without seeds.
    unit : how much a metric of this size may scatter, compared with other rows.
    """

    count: int
    scatter: float
    by_chance: float
    degrees_of_freedom: float
    unit: float = 1.0

    @property
    def known(self) -> bool:
        return self.degrees_of_freedom > 0

    @property
    def variance(self) -> float:
        """What the choice of seeds adds to the variance of the mean."""
        return max(self.scatter - self.by_chance, 0.0) / self.count


NONE = Seeds(1, 0.0, 0.0, math.inf)


def of_replicates(estimates: np.ndarray, values: np.ndarray, unit: float) -> Seeds:
    """What a row shows by itself, from `estimates` `[seeds]` and their bootstrap `values` `[replicates, seeds]`."""
    count = len(estimates)
    if count < 2:
        return Seeds(count, 0.0, 0.0, 0.0, unit)
    strays = values - values.mean(axis=1, keepdims=True)
    strays = strays[np.isfinite(strays).all(axis=1)]
    by_chance = strays.var(axis=0, ddof=1).sum() / (count - 1) if len(strays) > 1 else 0.0
    return Seeds(count, float(estimates.var(ddof=1)), float(by_chance), count - 1.0, unit)


def pool(rows: Sequence[Seeds], *, alike: bool = False) -> list[Seeds]:
    """Let the rows of a report learn from each other; `alike` takes their true variances to be the same.

    The prior is a scaled inverse chi-squared distribution, its degrees of freedom by moments: 4 + 2 / c, with c
    the squared coefficient of variation of the true variances, what is left of the observed ones' after
    chi-squared noise. (Smyth fits the logarithms, which two equal results, with a variance of 0, would
    rule.) As there, no row gets more degrees of freedom than all have together.
    """
    informed = [row for row in rows if 0 < row.degrees_of_freedom < math.inf and math.isfinite(row.scatter)]
    if not informed:
        return list(rows)
    freedoms = np.array([row.degrees_of_freedom for row in informed])
    scatters = np.array([row.scatter / row.unit for row in informed])
    scatter = float(np.average(scatters, weights=freedoms))
    by_chance = float(np.average([row.by_chance / row.unit for row in informed], weights=freedoms))
    prior = math.inf if alike else _prior_freedom(scatters, freedoms, scatter)
    return [_moderate(row, scatter, by_chance, prior, float(freedoms.sum())) for row in rows]


def _prior_freedom(scatters: np.ndarray, freedoms: np.ndarray, pooled: float) -> float:
    if len(scatters) < 2 or pooled <= 0:
        return 4 + 2 / _LEAST_HETEROGENEITY
    noise = np.mean(2 / freedoms)
    heterogeneity = (scatters.var(ddof=1) / pooled**2 - noise) / (1 + noise)
    return float(4 + 2 / max(heterogeneity, _LEAST_HETEROGENEITY))


def _moderate(row: Seeds, scatter: float, by_chance: float, prior: float, most: float) -> Seeds:
    if math.isinf(row.degrees_of_freedom):
        return row
    share = 1.0 if math.isinf(prior) else prior / (prior + row.degrees_of_freedom)
    return replace(
        row,
        scatter=share * scatter * row.unit + (1 - share) * row.scatter,
        by_chance=share * by_chance * row.unit + (1 - share) * row.by_chance,
        degrees_of_freedom=min(prior + row.degrees_of_freedom, most),
    )
