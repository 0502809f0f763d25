"""Does the site give the label away? Then a network can learn the scanner instead of the disease."""

from dataclasses import dataclass

import numpy as np

from bench.data.dataset import Dataset
from bench.data.splits import partition
from bench.errors import UserError

_PARTS = 5
_REPETITIONS = 4
_RESAMPLES = 1000
_SIGNIFICANT = 0.01


@dataclass(frozen=True)
class SiteAuc:
    """Area under the ROC curve of guessing the label from the site alone, with its 95% interval.

    `p_value` is of the hypothesis that sites and labels are independent.
    """

    auc: float
    low: float
    high: float
    p_value: float

    def __str__(self) -> str:
        return f"AUC {self.auc:.2f} ({self.low:.2f} to {self.high:.2f})"

    @property
    def predicts(self) -> bool:
        """Whether the interval lies above chance, and chance alone would hardly do that.

        The interval alone does not know that the shares were estimated, too: of sites without meaning, 4 to
        9% would raise the alarm.
        """
        return self.low > 0.5 and self.p_value <= _SIGNIFICANT


def site_predicts_label(dataset: Dataset) -> SiteAuc | None:
    """Guess each subject's label from the shares of classes at its site, among other subjects.

    The shares come from subjects in other parts of a stratified division (four divisions into five parts),
    with one pseudo-count at the overall shares, so that many small sites do not look predictive by
    themselves. Subjects are ranked against those of their own part alone: ranked over all parts, a
    subject's absence from its own share would turn the ranks within a site around. The AUC is of one class
    against the rest, averaged over the classes (with two classes this is the usual AUC). The interval is a
    bootstrap over subjects (percentiles; Efron & Tibshirani 1993, chapter 13).

    Returns None where there are no sites, only one, or too few subjects of a class to tell. A subject with several
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
    rng = np.random.default_rng(0)
    # row 0 counts every subject once: the estimate; the others are resamples
    weights = rng.multinomial(len(y), np.full(len(y), 1 / len(y)), size=_RESAMPLES + 1).astype(np.float64)
    weights[0] = 1
    try:
        aucs = _aucs(subjects, y, sites, weights)
    except UserError:
        return None
    low, high = np.nanpercentile(aucs[1:], (2.5, 97.5))
    return SiteAuc(float(aucs[0]), float(low), float(high), float(_independence(y, sites, rng)))


def _independence(y: np.ndarray, sites: np.ndarray, rng: np.random.Generator) -> float:
    """Permutation test of independence with Pearson's chi-square; exact also for small and many sites."""
    at_site, expected = np.eye(int(sites.max()) + 1)[sites], np.bincount(sites) / len(y)
    labels = np.vstack([y, *(rng.permutation(y) for _ in range(_RESAMPLES))])
    statistic = np.zeros(len(labels))
    for index, count in enumerate(np.bincount(y)):
        observed = (labels == index) @ at_site
        statistic += ((observed - count * expected) ** 2 / (count * expected)).sum(axis=1)
    as_extreme = np.count_nonzero(statistic[1:] >= statistic[0] * (1 - 1e-9))
    return (1 + as_extreme) / (1 + _RESAMPLES)


def _aucs(subjects: np.ndarray, y: np.ndarray, sites: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the AUC for each row of subjects' weights `[m, n]`; NaN where a class has none."""
    n_sites, n_classes = int(sites.max()) + 1, int(y.max()) + 1
    prior = np.bincount(y, minlength=n_classes) / len(y)
    at_site = np.eye(n_sites)[sites]
    won = np.zeros((n_classes, len(weights)))
    compared = np.zeros_like(won)
    for repetition in range(_REPETITIONS):
        parts = partition(subjects, y, _PARTS, f"site/0/{repetition}", range(n_classes))
        for part in range(_PARTS):
            here = parts == part
            counts = np.zeros((n_sites, n_classes))
            np.add.at(counts, (sites[~here], y[~here]), 1)
            shares = (counts + prior) / (counts.sum(axis=1, keepdims=True) + 1)
            everyone = weights[:, here] @ at_site[here]
            for index in np.unique(y[here]):
                own = here & (y == index)
                positives = weights[:, own] @ at_site[own]
                negatives = everyone - positives
                score = shares[:, index]
                wins = (score[:, None] > score[None, :]) + 0.5 * (score[:, None] == score[None, :])
                won[index] += ((positives @ wins) * negatives).sum(axis=1)
                compared[index] += positives.sum(axis=1) * negatives.sum(axis=1)
    with np.errstate(invalid="ignore"):
        return (won / compared).mean(axis=0)
