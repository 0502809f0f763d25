"""`make check`: what a dataset holds, and what would spoil its numbers, before anything is trained."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from bench.data.caches.memory_maps import passing
from bench.data.checks.duplicates import THRESHOLD, Pair, near_identical
from bench.data.checks.sites import SiteAuc, site_predicts_label
from bench.data.dataset import Dataset

_SHOWN = 5


@dataclass(frozen=True)
class DatasetReport:
    """What a dataset holds.

    Attributes
    ----------
    samples, subjects : of each class.
    sites : for each site, the samples of each class; empty without sites.
    constant, non_finite : indices of samples with a single value, and with NaN or infinite ones.
    pairs : near-identical samples of different subjects.
    site_auc : how well the site predicts the label, or None.
    split_subjects : subjects on both sides of an official split.
    ids, parts, y : subject, part of the official split as a number, and label of each sample.
    """

    name: str
    samples: dict[str, int]
    subjects: dict[str, int]
    sites: dict[str, dict[str, int]]
    constant: list[int]
    non_finite: list[int]
    pairs: list[Pair]
    site_auc: SiteAuc | None
    split_subjects: list[str]
    ids: np.ndarray
    parts: np.ndarray
    y: np.ndarray

    def warnings(self) -> list[str]:
        """One line for each thing that would spoil the numbers; empty if all is well."""
        lines = []
        for what, indices in (
            ("have a single value everywhere", self.constant),
            ("hold values that are not finite", self.non_finite),
        ):
            if indices:
                ids = [str(self.ids[index]) for index in indices]
                lines.append(f"{len(indices)} samples {what} (subjects {_some(ids)})")
        if self.pairs:
            shown = [
                f"{self.ids[pair.first]} = {self.ids[pair.second]} ({pair.correlation:.4f})"
                for pair in self.pairs
            ]
            lines.append(
                f"{len(self.pairs)} pairs of near-identical images (correlation above {THRESHOLD}) have "
                f"different subject ids: {_some(shown)}"
            )
            across = sum(self.parts[pair.first] != self.parts[pair.second] for pair in self.pairs)
            if across:
                lines.append(f"{across} of these pairs lie in two parts of the official split: it leaks")
            labels = sum(self.y[pair.first] != self.y[pair.second] for pair in self.pairs)
            if labels:
                lines.append(f"{labels} of these pairs have two labels: one of each is wrong")
        if self.split_subjects:
            lines.append(
                f"{len(self.split_subjects)} subjects are in several parts of the official split "
                f"({_some(self.split_subjects)})"
            )
        if self.site_auc is not None and self.site_auc.predicts:
            auc = self.site_auc
            lines.append(
                f"the site alone predicts the label: AUC {auc.auc:.2f} ({auc.low:.2f} to {auc.high:.2f}); a "
                "network may learn the scanner, so test with one site left out"
            )
        return lines

    def lines(self) -> list[str]:
        """What there is, as text, without the warnings."""
        n_samples, n_classes = sum(self.samples.values()), len(self.samples)
        text = [
            f"{self.name}: {n_samples} samples of {len(set(self.ids.tolist()))} subjects, {n_classes} classes"
        ]
        for name, count in self.samples.items():
            text.append(f"  {name}: {count} samples of {self.subjects[name]} subjects")
        for site, counts in self.sites.items():
            text.append(f"  site {site}: " + ", ".join(f"{count} {name}" for name, count in counts.items()))
        if self.site_auc is not None:
            auc = self.site_auc
            text.append(f"  label from the site alone: AUC {auc.auc:.2f} ({auc.low:.2f} to {auc.high:.2f})")
        return text


def check_dataset(dataset: Dataset, seed: int = 0) -> DatasetReport:
    """Examine a dataset; memory maps are read sample by sample.

    Takes seconds for a few thousand images. Nothing is raised: the report says what is wrong.
    """
    classes = dataset.classes
    ids = dataset.subjects.astype(str)
    samples = Counter(dataset.y.tolist())
    sites: dict[str, dict[str, int]] = {}
    if dataset.sites is not None:
        for site in sorted(set(dataset.sites.tolist())):
            counts = Counter(dataset.y[dataset.sites == site].tolist())
            sites[str(site)] = {name: counts.get(index, 0) for index, name in enumerate(classes)}
    parts = np.zeros(len(dataset.y), dtype=np.int64)
    for number, mask in enumerate((dataset.official_test, dataset.official_validation), 1):
        if mask is not None:
            parts[mask] = number
    constant, non_finite = [], []
    for index, sample in enumerate(passing(dataset.x)):
        low, high = float(np.min(sample)), float(np.max(sample))  # NaN comes through
        if not np.isfinite((low, high)).all():
            non_finite.append(index)
        elif low == high:
            constant.append(index)
    return DatasetReport(
        name=dataset.name,
        samples={name: samples.get(index, 0) for index, name in enumerate(classes)},
        subjects={name: len(set(ids[dataset.y == index].tolist())) for index, name in enumerate(classes)},
        sites=sites,
        constant=constant,
        non_finite=non_finite,
        pairs=near_identical(dataset),
        site_auc=site_predicts_label(dataset, seed),
        split_subjects=_split_subjects(ids, parts),
        ids=ids,
        parts=parts,
        y=dataset.y,
    )


def _split_subjects(ids: np.ndarray, parts: np.ndarray) -> list[str]:
    seen = Counter(subject for subject, _ in set(zip(ids.tolist(), parts.tolist(), strict=True)))
    return sorted(str(subject) for subject, count in seen.items() if count > 1)


def _some(values: list[str]) -> str:
    return ", ".join(values[:_SHOWN]) + (", …" if len(values) > _SHOWN else "")
