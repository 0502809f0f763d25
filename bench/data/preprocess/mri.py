"""Preprocessing of the `mri` task: from a raw volume to the image that a network sees.

In this order: crop and resampling to one grid, brain mask, bias correction, contrast adjustment,
normalisation. Each step can be switched off or exchanged, for the ablation. Resampling comes first because
everything after it then works on the small grid, whatever the size of the raw volume.
"""

from dataclasses import dataclass

import numpy as np

from bench.data.preprocess.mri_intensity import (
    CONTRASTS,
    NORMALISATIONS,
    correct_bias,
    equalise,
    percentile_range,
    white_relative,
    window,
    zscore,
)
from bench.data.preprocess.mri_mask import bounding_box, brain_mask
from bench.data.preprocess.mri_resample import METHODS, resample
from bench.errors import UserError


@dataclass(frozen=True)
class MriPreprocessing:
    """What is done to each volume.

    Attributes
    ----------
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
    """

    shape: tuple[int, int, int] = (20, 64, 64)
    crop: bool = True
    resampling: str = "trilinear"
    bias_correction: bool = False
    contrast: str = "window"
    gamma: float = 1.0
    normalisation: str = "zscore"
    mask_background: bool = True

    def __post_init__(self) -> None:
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise UserError(
                f"mri preprocessing: shape is {self.shape}, expected depth, height and width above 0"
            )
        for name, allowed in (
            ("resampling", METHODS),
            ("contrast", CONTRASTS),
            ("normalisation", NORMALISATIONS),
        ):
            value = getattr(self, name)
            if value not in allowed:
                raise UserError(
                    f"mri preprocessing: {name} is {value!r}, expected one of {', '.join(allowed)}"
                )
        if not self.gamma > 0:
            raise UserError(f"mri preprocessing: gamma is {self.gamma}, expected a number above 0")

    @classmethod
    def untouched(cls, shape: tuple[int, int, int]) -> "MriPreprocessing":
        """The whole field of view on a grid and nothing else: intensities and background stay as they are."""
        return cls(shape, crop=False, contrast="none", normalisation="none", mask_background=False)

    def describe(self) -> str:
        """One line for the report."""
        depth, height, width = self.shape
        contrast = self.contrast if self.contrast != "window" else f"window with gamma {self.gamma:g}"
        return (
            f"{self.resampling} resampling of {'the brain' if self.crop else 'the field of view'} to "
            f"{depth}x{height}x{width}, "
            f"bias correction {'on' if self.bias_correction else 'off'}, contrast {contrast}, "
            f"normalisation {self.normalisation}, background {'masked' if self.mask_background else 'kept'}"
        )


def prepare(
    volume: np.ndarray,
    settings: MriPreprocessing,
    mask: np.ndarray | None = None,
    voxel_mm: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> np.ndarray:
    """Preprocess one raw volume.

    Parameters
    ----------
    volume : `[z, y, x]`, any real dtype.
    settings : what to do.
    mask : the brain, of the same shape as `volume`; None finds it (see `mri_mask.brain_mask`).
    voxel_mm : size of a voxel along the three axes; only their proportions matter.

    Returns
    -------
    float32 `[depth, height, width]`, finite.

    Raises
    ------
    ValueError : a volume without three axes, or a mask of another shape.
    """
    if volume.ndim != 3:
        raise ValueError(f"volume has shape {volume.shape}, expected three axes")
    if mask is not None and mask.shape != volume.shape:
        raise ValueError(f"mask has shape {mask.shape}, the volume {volume.shape}")
    box = _brain_box(volume, mask, voxel_mm) if settings.crop else None
    image = np.nan_to_num(resample(volume, settings.shape, settings.resampling, box), posinf=0.0, neginf=0.0)
    if mask is None:
        inside = brain_mask(image)
    else:
        inside = resample(mask.astype(np.float32), settings.shape, settings.resampling, box) >= 0.5
        if not inside.any():
            inside = np.ones(settings.shape, dtype=bool)

    if settings.bias_correction:
        image = correct_bias(image, inside)
    if settings.contrast == "window":
        image = window(image, inside, gamma=settings.gamma)
    elif settings.contrast == "equalise":
        image = equalise(image, inside)
    if settings.normalisation != "none":
        normalise = {"zscore": zscore, "percentile": percentile_range, "white": white_relative}
        image = normalise[settings.normalisation](image, inside)
    if settings.mask_background:
        image = np.where(inside, image, image[inside].min())
    return image.astype(np.float32)


def _brain_box(
    volume: np.ndarray, mask: np.ndarray | None, voxel_mm: tuple[float, float, float]
) -> tuple[tuple[float, float], ...]:
    if mask is not None:
        return bounding_box(mask, voxel_mm)
    # Every n-th voxel is enough to find a box, and makes large volumes as quick as small ones.
    stride = [max(1, size // 40) for size in volume.shape]
    coarse = np.nan_to_num(np.asarray(volume[:: stride[0], :: stride[1], :: stride[2]], dtype=np.float32))
    coarse_mm = tuple(size * step for size, step in zip(voxel_mm, stride, strict=True))
    box = bounding_box(brain_mask(coarse), coarse_mm)  # type: ignore[arg-type]
    return tuple((start * step, stop * step) for (start, stop), step in zip(box, stride, strict=True))
