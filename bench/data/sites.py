"""Does the site give the label away? Then a network can learn the scanner instead of the disease."""

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import roc_auc_score

from bench.data.dataset import Dataset
from bench.data.splits import partition
from bench.errors import UserError

_PARTS = 5
_REPETITIONS = 4
_RESAMPLES = 1000


@dataclass(frozen=True)
class SiteAuc:
    """Area under the ROC curve of guessing the label from the site alone, with its 95% interval."""

    auc: float
    low: float
    high: float

    @property
    def predicts(self) -> bool:
        """Whether the interval lies above chance."""
        return self.low > 0.5


def site_predicts_label(dataset: Dataset, seed: int = 0) -> SiteAuc | None:
    """Guess each subject's label from the shares of classes at its site, among other subjects.

    The shares come from subjects in other parts of a stratified division (four divisions into five parts,
    averaged), with one pseudo-count at the overall shares, so that many small sites do not look predictive
    by themselves. The AUC is of one class against the rest, averaged over the classes (with two classes
    this is the usual AUC). The interval is a bootstrap over subjects (percentiles; Efron & Tibshirani
    1993, chapter 13).

    Returns
    -------
    None where there are no sites, only one, or too few subjects of a class to tell. A subject with several
    samples counts once, with its first label and site.
    """
    if dataset.sites is None or len(set(dataset.sites.tolist())) < 2:
        return None
    _, first = np.unique(dataset.subjects.astype(str), return_index=True)
    y = dataset.y[first]
    subjects = dataset.subjects[first].astype(str)
    sites = np.unique(dataset.sites[first].astype(str), return_inverse=True)[1]
    present, y = np.unique(y, return_inverse=True)
    if len(present) < 2:
        return None
    try:
        scores = _scores(subjects, y, sites, len(present), seed)
    except UserError:
        return None
    rng = np.random.default_rng(seed)
    estimates = []
    for _ in range(_RESAMPLES):
        chosen = rng.integers(0, len(y), len(y))
        if len(np.unique(y[chosen])) == len(present):
            estimates.append(_auc(y[chosen], scores[chosen]))
    low, high = np.percentile(estimates, (2.5, 97.5))
    return SiteAuc(_auc(y, scores), float(low), float(high))


def _scores(subjects: np.ndarray, y: np.ndarray, sites: np.ndarray, n_classes: int, seed: int) -> np.ndarray:
    """Shares of the classes at each subject's site, from subjects of other parts, `[n, n_classes]`."""
    prior = np.bincount(y, minlength=n_classes) / len(y)
    scores = np.zeros((len(y), n_classes))
    for repetition in range(_REPETITIONS):
        parts = partition(subjects, y, _PARTS, f"site/{seed}/{repetition}")
        for part in range(_PARTS):
            counts = np.zeros((sites.max() + 1, n_classes))
            np.add.at(counts, (sites[parts != part], y[parts != part]), 1)
            shares = (counts + prior) / (counts.sum(axis=1, keepdims=True) + 1)
            scores[parts == part] += shares[sites[parts == part]] / _REPETITIONS
    return scores


def _auc(y: np.ndarray, scores: np.ndarray) -> float:
    return float(np.mean([roc_auc_score(y == index, scores[:, index]) for index in range(scores.shape[1])]))
