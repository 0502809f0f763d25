"""Normalisation of images or volumes of any kind, each by its own values alone."""

import numpy as np

NORMALISATIONS = ("zscore", "percentile", "none")
PERCENTILES = (0.5, 99.5)
_TINY = 1e-6  # of the largest value: less of a spread than this is rounding


def normalise(x: np.ndarray, how: str) -> np.ndarray:
    """Normalise samples `[n, ...]`, colours together.

    By "zscore" to mean 0, standard deviation 1; by "percentile" the 0.5th to 0, the 99.5th to 1, values beyond them
    clipped; by "none" not at all.
    """
    if how == "none":
        return x
    x = np.asarray(x, np.float32)
    flat = x.reshape(len(x), -1)
    each = (-1, *(1 for _ in x.shape[1:]))
    least = np.maximum(_TINY * np.abs(flat).max(axis=1), np.finfo(np.float32).tiny)
    if how == "percentile":
        low, high = np.percentile(flat, PERCENTILES, axis=1).astype(np.float32)
        scale = np.maximum(high - low, least)
        return np.clip((x - low.reshape(each)) / scale.reshape(each), 0, 1)
    deviation = np.maximum(flat.std(axis=1), least)
    return (x - flat.mean(axis=1).reshape(each)) / deviation.reshape(each)
