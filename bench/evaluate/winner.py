"""What the best of several is worth, when it was chosen by the very results that it is then judged by.

Of eight equal networks tested on forty subjects the first leads by luck, and its result is four points too high. A
bootstrap replicate moves all results as chance may; what the moves give to the then best, in the mean, is the
bootstrap's estimate of the optimism (Efron & Tibshirani 1993, An introduction to the bootstrap, chapter 10): too
low among equals, whose measured results lie further apart than their true ones. Data fission (Leiner et al. 2023)
judges what the moved results choose by a move the other way: right among equals, and too low for one that leads
by three standard errors, which half of the subjects often miss. The mean of the two is used. Nothing is corrected
where a row leads by far, since no move changes the choice.
"""

from collections.abc import Mapping

import numpy as np

from bench.data.dataset import fingerprint
from bench.evaluate import variance
from bench.evaluate.bootstrap import Replicates
from bench.evaluate.comparisons import contenders
from bench.evaluate.intervals import Interval, of_replicates
from bench.evaluate.metrics import sign


def interval_of_best(samples: Mapping[str, Replicates], best: str) -> Interval:
    """The interval of the best of the rows of a report, corrected for the choice.

    The estimate is moved by the optimism of the choice. The interval reaches from the worse limit about the
    corrected estimate to the better limit about the measured one: the correction is itself uncertain, and
    chiefly where it was not needed.

    Parameters
    ----------
    samples : the rows of a report (`bootstrap.resample_all`), of which it was chosen from the `contenders`.
    best : the name of the chosen one.
    """
    sample, measured = samples[best], of_replicates(samples[best])
    better = sign(sample.metric)
    lowest, highest = sample.bounds
    estimate = min(max(measured.estimate - better * _optimism(contenders(samples), better), lowest), highest)
    found = of_replicates(sample, estimate=estimate)
    low, high = (found.low, measured.high) if better > 0 else (measured.low, found.high)
    return Interval(found.estimate, low, high)


def _optimism(samples: Mapping[str, Replicates], better: int) -> float:
    estimates = np.array([better * each.estimate for each in samples.values()])
    moves = np.stack([better * _moves(name, each) for name, each in samples.items()], axis=1)
    chosen = (estimates + moves).argmax(axis=1)
    missed = estimates.max() - estimates[chosen].mean()
    return float(moves[np.arange(len(moves)), chosen].mean() + missed / 2)


def _moves(name: str, sample: Replicates) -> np.ndarray:
    """How far chance may move an estimate: with the subjects, as it moves all rows, and with all else."""
    means = sample.values.mean(axis=1)
    moves = np.where(np.isfinite(means), means, sample.estimate)
    random = np.random.default_rng(int(fingerprint("winner", name), 16))
    more = max(variance.of_estimate(sample).total - float(moves.var()), 0.0)
    moves += np.sqrt(more) * random.normal(size=len(moves))
    return moves - moves.mean()  # so that a choice that no move changes is not corrected at all
