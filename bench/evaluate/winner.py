"""What the best of several is worth, when it was chosen by the very results that it is then judged by.

Of eight equal networks tested on forty subjects the first leads by luck, and its result is four points too
high. How much of a lead is luck shows where the results are shaken a little: all rows are moved by half of
what a bootstrap replicate moves them, and the best of the moved rows is one that the replicate favoured.
The mean of that favour (of a whole replicate), over the half, is the optimism of the choice (Breiman 1992, The
little bootstrap; Ye 1998, On measuring and correcting the effects of data mining, section 2). Nothing is
corrected where one row leads by far, since no move changes the choice.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from bench.data.dataset import fingerprint
from bench.evaluate import variance
from bench.evaluate.bootstrap import Replicates
from bench.evaluate.intervals import Interval, of_replicates
from bench.evaluate.metrics import get

# Smaller moves leave less bias and more noise: at a half, in simulations of equal, staggered and leading rows,
# the bias is below a tenth of the error of a single row.
_MOVE = 0.5


def interval_of_best(samples: Mapping[str, Replicates], best: str) -> Interval:
    """The interval of the best of the rows of a report, corrected for the choice.

    The estimate is moved by the optimism of the choice. The interval reaches from the worse limit about the
    corrected estimate to the better limit about the measured one: the correction is itself uncertain, and
    chiefly where it was not needed.

    Parameters
    ----------
    samples : those that the best was chosen from (`bootstrap.resample_all`); estimates that are not defined are
        left out.
    best : the name of the chosen one.
    """
    sample, measured = samples[best], of_replicates(samples[best])
    contenders = {name: each for name, each in samples.items() if np.isfinite(each.estimate)}
    lowest, highest = get(sample.metric).bounds
    estimate = min(max(measured.estimate - sample.sign * _optimism(contenders), lowest), highest)
    found = of_replicates(sample, estimate=estimate)
    low, high = (found.low, measured.high) if sample.sign > 0 else (measured.low, found.high)
    return replace(found, low=low, high=high, method=f"{found.method}, corrected for the choice of the best")


def _optimism(samples: Mapping[str, Replicates]) -> float:
    estimates = np.array([each.sign * each.estimate for each in samples.values()])
    moves = np.stack([each.sign * _moves(name, each) for name, each in samples.items()], axis=1)
    chosen = (estimates + _MOVE * moves).argmax(axis=1)
    return float(moves[np.arange(len(moves)), chosen].mean() / _MOVE)


def _moves(name: str, sample: Replicates) -> np.ndarray:
    """How far chance may move an estimate: with the subjects, as it moves all rows, and with all else."""
    means = sample.values.mean(axis=1)
    moves = np.where(np.isfinite(means), means, sample.estimate)
    random = np.random.default_rng(int(fingerprint("winner", name), 16))
    more = max(variance.of_estimate(sample).total - float(moves.var()), 0.0)
    moves += np.sqrt(more) * random.normal(size=len(moves))
    return moves - moves.mean()  # so that a choice that no move changes is not corrected at all
