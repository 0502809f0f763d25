"""Which hyperparameters mattered in a search: how its trials' scores went along with their values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.stats

from bench.evaluate.comparisons import holm

_LEAST_TRIALS = 8  # with six, one family of ten hyperparameters in eight has a false p < 0.05


@dataclass(frozen=True)
class Importance:
    """How much one hyperparameter explains of the scores.

    Attributes
    ----------
    effect : of a number, Spearman's rank correlation with the score; of a choice, eta squared of the ranks, the
        share of their variance that lies between its values (Tomczak and Tomczak 2014), without a sign.
    ordered : whether it is a number.
    p_holm : of no effect, corrected for the number of hyperparameters.
    """

    name: str
    effect: float
    ordered: bool
    p_holm: float


def importances(values: Sequence[Mapping[str, Any]], scores: Sequence[float]) -> list[Importance]:
    """Rank the hyperparameters of a search by how well its scores follow them, one at a time.

    Parameters
    ----------
    values : of each trial, by name; those of one value, or of too few trials, are left out.
    scores : of each trial, all after the same number of epochs; more is better.
    """
    found = []
    for name in dict.fromkeys(name for trial in values for name in trial):
        pairs = [(t[name], score) for t, score in zip(values, scores, strict=True) if name in t]
        chosen, reached = [value for value, _ in pairs], np.array([score for _, score in pairs])
        kinds = set(chosen)
        if len(pairs) < _LEAST_TRIALS or len(kinds) < 2 or len(set(reached)) < 2:
            continue
        ordered = (
            all(isinstance(v, int | float) and not isinstance(v, bool) for v in kinds) and len(kinds) > 2
        )
        if ordered:
            test = scipy.stats.spearmanr(chosen, reached)
            found.append((name, float(test.statistic), True, float(test.pvalue)))
        else:
            groups = [reached[[value == kind for value in chosen]] for kind in sorted(kinds, key=str)]
            test = scipy.stats.kruskal(*groups)
            share = (test.statistic - len(groups) + 1) / max(len(reached) - len(groups), 1)
            found.append((name, float(np.clip(share, 0, 1)), False, float(test.pvalue)))
    corrected = holm([p for *_, p in found])
    ranked = [
        Importance(n, effect, kind, p) for (n, effect, kind, _), p in zip(found, corrected, strict=True)
    ]
    return sorted(ranked, key=lambda each: (each.p_holm, -abs(each.effect)))
