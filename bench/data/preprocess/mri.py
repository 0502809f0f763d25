"""Preprocessing of the `mri` task: from a raw volume to the image that a network sees.

In this order: crop and resampling to one grid, brain mask, bias correction, contrast adjustment,
normalisation. Each step can be switched off or exchanged, for the ablation. Resampling comes first because
everything after it then works on the small grid, whatever the size of the raw volume.
"""

from collections.abc import Sequence

import numpy as np

from bench.data.preprocess.mri_intensity import (
    correct_bias,
    equalise,
    percentile_range,
    white_relative,
    window,
    zscore,
)
from bench.data.preprocess.mri_mask import bounding_box, brain_mask
from bench.data.preprocess.mri_resample import resample

_NORMALISE = {"zscore": zscore, "percentile": percentile_range, "white": white_relative}


def prepare(
    volume: np.ndarray,
    shape: Sequence[int],
    *,
    crop: bool = True,
    resampling: str = "trilinear",
    bias_correction: bool = False,
    contrast: str = "window",
    gamma: float = 1.0,
    normalisation: str = "zscore",
    mask_background: bool = True,
) -> np.ndarray:
    """Preprocess one raw volume.

    Parameters
    ----------
    volume : `[z, y, x]`, any real dtype; pixels of a slice are square.
    shape : the grid that all volumes are brought to: depth, height, width.
    crop : take the box around the brain instead of the whole field of view, which scanners choose as they
        like.
    resampling : `trilinear`, `nearest` (whole slices are picked) or `area` (trilinear, averaging where it
        shrinks).
    bias_correction : divide by a smooth estimate of the bias field.
    contrast : `none`, `window` (percentiles of the brain to 0..1, then `gamma`) or `equalise` (histogram).
    gamma : exponent after the window.
    normalisation : `none`, `zscore`, `percentile` (range to 0..1) or `white` (by the mode of white matter),
        all inside the brain.
    mask_background : set everything outside the brain to the darkest value inside.

    Returns float32 `[depth, height, width]`, finite.
    """
    box = _brain_box(volume) if crop else None
    image = np.nan_to_num(resample(volume, shape, resampling, box), posinf=0.0, neginf=0.0)
    inside = brain_mask(image)
    if bias_correction:
        image = correct_bias(image, inside)
    if contrast == "window":
        image = window(image, inside, gamma=gamma)
    elif contrast == "equalise":
        image = equalise(image, inside)
    if normalisation != "none":
        image = _NORMALISE[normalisation](image, inside)
    if mask_background:
        image = np.where(inside, image, image[inside].min())
    return image.astype(np.float32)


def _brain_box(volume: np.ndarray) -> tuple[tuple[float, float], ...]:
    # Every n-th voxel is enough to find a box, and makes large volumes as quick as small ones.
    stride = [max(1, size // 40) for size in volume.shape]
    coarse = np.nan_to_num(np.asarray(volume[:: stride[0], :: stride[1], :: stride[2]], dtype=np.float32))
    box = bounding_box(brain_mask(coarse), stride)
    return tuple((start * step, stop * step) for (start, stop), step in zip(box, stride, strict=True))
