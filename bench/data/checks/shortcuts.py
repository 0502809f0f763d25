"""What gives the label away without the image: file size, voxel size, background, header."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from bench.data.caches.memory_maps import passing
from bench.data.checks.sites import site_predicts_label
from bench.data.dataset import Dataset

_MOST_GROUPS = 40
_QUANTILES = (0.2, 0.4, 0.6, 0.8)


def shortcuts(dataset: Dataset, facts: Mapping[str, np.ndarray]) -> list[str]:
    """A warning for each fact that predicts the label.

    The samples are grouped by the fact (numbers or texts `[n]`), by fifths where it has many values, and the
    groups are taken for sites (see `site_predicts_label`).
    """
    found = []
    for name, values in facts.items():
        groups = _groups(values)
        auc = site_predicts_label(replace(dataset, sites=groups)) if groups is not None else None
        if auc is not None and auc.predicts:
            found.append(f"the {name} alone predicts the label: {auc}; a network may learn that instead")
    return found


def backgrounds(x: np.ndarray) -> np.ndarray:
    """Median of the outermost pixels of each sample `[..., height, width, channels]`; float `[n]`."""
    return np.array([background(np.moveaxis(sample, -1, 0)) for sample in passing(x)])


def background(array: np.ndarray) -> float:
    """Median of the outermost pixels of `[..., height, width]`."""
    edges = (array[..., 0], array[..., -1], array[..., 0, :], array[..., -1, :])
    return float(np.median(np.concatenate([edge.ravel() for edge in edges])))


def _groups(values: np.ndarray) -> np.ndarray | None:
    """Name each sample's group; None where texts differ too much to group them."""
    if len(np.unique(values)) > _MOST_GROUPS // 4 and values.dtype.kind in "if":
        values = np.digitize(values, np.quantile(values, _QUANTILES))
    return values.astype(str) if len(np.unique(values)) <= _MOST_GROUPS else None
