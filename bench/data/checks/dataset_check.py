"""`make check`: what a dataset holds, and what would spoil its numbers, before anything is trained."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from bench.data.caches.memory_maps import passing
from bench.data.checks.duplicates import THRESHOLD, Pair, near_identical
from bench.data.checks.sites import site_predicts_label
from bench.data.dataset import Dataset
from bench.data.formats.listing import first_few

_SHOWN = 5


def check_dataset(dataset: Dataset) -> tuple[list[str], list[str]]:
    """Examine a dataset; memory maps are read sample by sample.

    Takes seconds for a few thousand images. Nothing is raised: the warnings say what is wrong.

    Returns what there is, as text, and a line for each thing that would spoil the numbers; none if all is well.
    """
    classes, ids, y = dataset.classes, dataset.subjects.astype(str), dataset.y
    lines = [f"{dataset.name}: {len(y)} samples of {len(set(ids.tolist()))} subjects, {len(classes)} classes"]
    for index, name in enumerate(classes):
        own = ids[y == index].tolist()
        lines.append(f"  {name}: {len(own)} samples of {len(set(own))} subjects")
    if dataset.sites is not None:
        for site in sorted(set(dataset.sites.tolist())):
            counts = np.bincount(y[dataset.sites == site], minlength=len(classes))
            shares = (f"{count} {name}" for count, name in zip(counts, classes, strict=True))
            lines.append(f"  site {site}: " + ", ".join(shares))
    parts = np.zeros(len(y), dtype=np.int64)
    for number, mask in enumerate((dataset.official_test, dataset.official_validation), 1):
        if mask is not None:
            parts[mask] = number
    warnings = _odd_values(dataset.x, ids) + _copies(near_identical(dataset), ids, parts, y)
    seen = Counter(subject for subject, _ in set(zip(ids.tolist(), parts.tolist(), strict=True)))
    split = sorted(subject for subject, count in seen.items() if count > 1)
    if split:
        warnings.append(
            f"{len(split)} subjects are in several parts of the official split ({first_few(split, _SHOWN)})"
        )
    site_auc = site_predicts_label(dataset)
    if site_auc is not None:
        lines.append(f"  label from the site alone: {site_auc}")
        if site_auc.predicts:
            warnings.append(
                f"the site alone predicts the label: {site_auc}; a network may learn the scanner, which "
                "FOLDS=sites shows"
            )
    return lines, warnings


def _odd_values(x: np.ndarray, ids: np.ndarray) -> list[str]:
    constant, non_finite = [], []
    for sample, subject in zip(passing(x), ids.tolist(), strict=True):
        low, high = float(np.min(sample)), float(np.max(sample))  # NaN comes through
        if not np.isfinite((low, high)).all():
            non_finite.append(subject)
        elif low == high:
            constant.append(subject)
    return [
        f"{len(subjects)} samples {what} (subjects {first_few(subjects, _SHOWN)})"
        for what, subjects in (
            ("have a single value everywhere", constant),
            ("hold values that are not finite", non_finite),
        )
        if subjects
    ]


def _copies(pairs: Sequence[Pair], ids: np.ndarray, parts: np.ndarray, y: np.ndarray) -> list[str]:
    """Warn of near-identical samples of different subjects."""
    if not pairs:
        return []
    shown = [f"{ids[pair.first]} = {ids[pair.second]} ({pair.correlation:.4f})" for pair in pairs]
    warnings = [
        f"{len(pairs)} pairs of near-identical images (correlation above {THRESHOLD}) have different subject "
        f"ids: {first_few(shown, _SHOWN)}"
    ]
    across = sum(parts[pair.first] != parts[pair.second] for pair in pairs)
    if across:
        warnings.append(f"{across} of these pairs lie in two parts of the official split: it leaks")
    labels = sum(y[pair.first] != y[pair.second] for pair in pairs)
    if labels:
        warnings.append(f"{labels} of these pairs have two labels: one of each is wrong")
    return warnings
