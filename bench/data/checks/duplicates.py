"""Near-identical images under two subject ids: the leak that no grouping can see."""

from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from bench.data.caches.memory_maps import passing, release
from bench.data.dataset import Dataset
from bench.data.preprocess.grid import resample

# Chosen by measurement, see `near_identical`.
THRESHOLD = 0.999
_COARSE_SLACK = 0.004
_COARSE_IMAGE = (16, 16)
_COARSE_VOLUME = (8, 16, 16)
_BLOCK = 1024
_MAX_CANDIDATES = 200_000


class Pair(NamedTuple):
    """Two samples, and the correlation of their voxels (Pearson)."""

    first: int
    second: int
    correlation: float


def near_identical(dataset: Dataset) -> list[Pair]:
    """Find pairs of samples of different subjects whose voxels correlate above `THRESHOLD`.

    Correlation does not mind another brightness or contrast. Images are compared first on a coarse grid,
    in blocks, and what passes there in full. Copies that were shifted, rotated or mirrored are not found.

    The threshold was measured: of the 43 million pairs of USPS digits, 1511 lie above 0.99 (nearly all of
    them ones), 30 above 0.995, none above 0.998; of AdrenalMNIST3D none above 0.9; of generated brains none
    above 0.95; of generated SPECT images, the smoothest included, none above 0.993. A copy saved as JPEG or
    with another contrast stays above 0.999.

    Returns pairs, the most similar first. Constant images correlate with nothing.
    """
    coarse = _standardised(_coarse(dataset.x))
    subjects = np.unique(dataset.subjects.astype(str), return_inverse=True)[1]
    candidates: list[tuple[int, int]] = []
    for start in range(0, len(coarse), _BLOCK):
        block = coarse[start : start + _BLOCK]
        similar = block @ coarse[start:].T > THRESHOLD - _COARSE_SLACK
        similar &= subjects[start : start + len(block), None] != subjects[None, start:]
        candidates += [
            (start + row, start + column) for row, column in np.argwhere(np.triu(similar, 1)).tolist()
        ]
        if len(candidates) > _MAX_CANDIDATES:
            break  # a set of copies; more pairs would tell nothing new
    pairs = []
    for first, group in groupby(candidates, itemgetter(0)):
        one = _standardised(np.asarray(dataset.x[first]).reshape(1, -1))
        for _, second in group:
            other = _standardised(np.asarray(dataset.x[second]).reshape(1, -1))
            correlation = float((one * other).sum())
            if correlation > THRESHOLD:
                pairs.append(Pair(first, second, min(correlation, 1.0)))
        release(dataset.x)
    return sorted(pairs, key=lambda pair: (-pair.correlation, pair.first, pair.second))


def _coarse(x: np.ndarray) -> np.ndarray:
    """Shrink each sample (mean of channels) to a coarse grid; float32 `[n, voxels]`."""
    shape = _COARSE_IMAGE if x.ndim == 4 else _COARSE_VOLUME
    if x.ndim not in (4, 5):
        return np.asarray(x, dtype=np.float32).reshape(len(x), -1)
    target = tuple(min(size, n) for size, n in zip(shape, x.shape[1:-1], strict=True))
    result = np.empty((len(x), int(np.prod(target))), dtype=np.float32)
    for index, sample in enumerate(passing(x)):
        result[index] = resample(np.asarray(sample).mean(axis=-1), target, antialias=True).ravel()
    return result


def _standardised(rows: np.ndarray) -> np.ndarray:
    """Scale rows so that their products are correlations; constant rows become 0."""
    centred = np.nan_to_num(rows.astype(np.float32))
    centred = centred - centred.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(centred, axis=1, keepdims=True)
    negligible = 1e-6 * np.sqrt(rows.shape[1]) * np.maximum(1e-12, np.abs(rows).max(axis=1, keepdims=True))
    return np.where(norm > negligible, centred / np.maximum(norm, 1e-30), 0).astype(np.float32)
