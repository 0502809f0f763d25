"""Preprocessing of DaT SPECT slices: crop and normalisation, each a choice that an ablation switches.

Only statistics of the image itself are used, nothing of other subjects, so the same function serves
training, testing and later prediction.
"""

import numpy as np

from bench.data.preprocess.spect_binding_ratios import reference_uptake
from bench.data.preprocess.spect_grid import COLUMNS, ROWS, STRIATUM_X_MM, STRIATUM_Y_MM, column_of, row_of

NORMALISATIONS = ("none", "zscore", "occipital", "brain", "percentile")
CROP_PIXELS = 50
PERCENTILES = (1.0, 99.5)
# `none` divides every image by the same number, which tells networks nothing about an image but keeps
# counts or eight-bit values in a range where their first layer works.
RAW_SCALE = 100.0
_TINY = 1e-6


def preprocess(x: np.ndarray, *, crop: bool = True, normalisation: str = "zscore") -> np.ndarray:
    """Crop and normalise slices.

    Parameters
    ----------
    x : `[n, 109, 91, 1]`, any units with 0 for no uptake.
    crop : keep the central 50 x 50 pixels (100 x 100 mm) around the striatum.
    normalisation : `none`; `zscore`, by mean and standard deviation of the image (of the crop, if
        cropped); `occipital` or `brain`, by the mean of that reference tissue in the whole image, less 1,
        so that each pixel becomes a binding ratio; `percentile`, 1st and 99.5th percentile of the
        (cropped) image to 0 and 1, values beyond them clipped.

    Returns `[n, 50, 50, 1]` or `[n, 109, 91, 1]` float32.
    """
    if x.shape[1:] != (ROWS, COLUMNS, 1):
        raise ValueError(f"x has shape {x.shape}, expected [n, {ROWS}, {COLUMNS}, 1]")
    images = central_crop(x) if crop else np.asarray(x)
    images = images.astype(np.float32)
    axes = (1, 2, 3)
    if normalisation == "none":
        return images / np.float32(RAW_SCALE)
    if normalisation == "zscore":
        deviation = images.std(axis=axes, keepdims=True)
        return (images - images.mean(axis=axes, keepdims=True)) / np.maximum(deviation, _TINY)
    if normalisation == "percentile":
        flat = images.reshape(len(images), np.prod(images.shape[1:], dtype=int))
        low, high = np.percentile(flat, PERCENTILES, axis=1).astype(np.float32)[:, :, None, None, None]
        return np.clip((images - low) / np.maximum(high - low, _TINY), 0, 1)
    reference = reference_uptake(x, normalisation).astype(np.float32)
    return images / reference[:, None, None, None] - 1


def central_crop(x: np.ndarray) -> np.ndarray:
    """The 50 x 50 pixels around the striatum's place in MNI space, `[n, 50, 50, ...]` (a view)."""
    top = round(row_of(STRIATUM_Y_MM) - CROP_PIXELS / 2)
    left = round(column_of(STRIATUM_X_MM) - CROP_PIXELS / 2)
    return x[:, top : top + CROP_PIXELS, left : left + CROP_PIXELS]
