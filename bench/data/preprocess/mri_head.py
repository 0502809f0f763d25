"""What a raw volume of a head needs before it is resampled: a background of 0, and where the head lies.

Both hang on the volume alone. Neither changes when all values are scaled or shifted, so that a volume that a
pipeline has normalised is treated as the raw one that it was made of.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from bench.data.preprocess.mri_mask import brain_mask, largest_part
from bench.data.preprocess.mri_resample import resample

RANGE_PERCENTILES = (0.1, 99.9)  # of the darkest and the brightest tissue, without stray voxels
_NEAR_ZERO = 0.1  # of that range: a background this close to 0 is 0, with noise or ringing around it
_WIDE_GAP = 0.5  # of that range: a constant that lies further below the tissue was written there by a tool
_COMMON = 0.2  # of the voxels: what has one value this often is no tissue
_SAME = 1e-5  # of the range: one value, but for rounding
_SAMPLES = 64  # along each axis are enough for the statistics of a large volume
_COARSE_MM = 4.0  # enough to see where a head lies; noise averages out
_ABOVE_MM = 8.0  # from the upper edge of the grid to the top of the head


def background_at_zero(volume: np.ndarray) -> np.ndarray:
    """Shift a volume so that its background is 0 and nothing is darker, as everything later expects.

    The background is what a large part of the voxels have in common (the constant that masking leaves, also
    where normalisation afterwards made it as bright as the brain), else the darkest that there is. Raw MR
    volumes, whose background is near 0 and dark, are returned as they are.

    `volume` is float32 `[depth, height, width]`, finite; it is returned itself where nothing is to be done.
    """
    sample = volume[tuple(slice(None, None, max(1, size // _SAMPLES)) for size in volume.shape)]
    constant, tissue = _common_value(sample)
    if not tissue.span > 0:
        return volume
    background = tissue.low if constant is None else constant
    below_tissue = (tissue.low - background) / tissue.span
    is_as_dark_as_air = -_NEAR_ZERO <= below_tissue <= _WIDE_GAP
    if is_as_dark_as_air and abs(background) <= _NEAR_ZERO * tissue.span:
        return volume
    if constant is not None and is_as_dark_as_air:
        return np.maximum(volume - np.float32(constant), 0)
    shifted = np.maximum(volume - np.float32(tissue.darkest()), 0)
    if constant is not None:  # a tool wrote it there, among the tissue's values or far below them
        shifted[_large_parts(np.abs(volume - np.float32(constant)) <= _SAME * tissue.span)] = 0
    return shifted


@dataclass(frozen=True)
class _Range:
    """The least value of some voxels, and percentiles of them."""

    least: float
    low: float
    high: float

    @classmethod
    def of(cls, values: np.ndarray) -> "_Range":
        low, high = np.percentile(values, RANGE_PERCENTILES)
        return cls(float(values.min()), float(low), float(high))

    @property
    def span(self) -> float:
        return self.high - self.low

    def darkest(self) -> float:
        """The least value, unless a few stray voxels have it."""
        return self.least if self.low - self.least <= _NEAR_ZERO * self.span else self.low


def _common_value(sample: np.ndarray) -> tuple[float | None, _Range]:
    """Find the value that is no tissue, if there is one, and the range of all others.

    The brightest value cannot be it: saturated tissue has it in common, too.
    """
    all_values = _Range.of(sample)
    if not all_values.span > 0:
        return None, all_values
    steps = np.round((sample - all_values.low) / (_SAME * all_values.span))
    values, counts = np.unique(steps, return_counts=True)
    if counts.max() <= _COMMON * sample.size:
        return None, all_values
    common = steps == values[counts.argmax()]
    constant, tissue = float(np.median(sample[common])), _Range.of(sample[~common])
    return (constant, tissue) if constant < tissue.high else (None, all_values)


def _large_parts(mask: np.ndarray) -> np.ndarray:
    """Drop the specks: voxels of the brain that have the background's value by chance."""
    parts, _ = ndimage.label(mask)
    sizes = np.bincount(parts.ravel())
    large = sizes >= 1e-3 * mask.size
    large[0] = False
    return large[parts]


def head_offsets(
    volume: np.ndarray, spacing_mm: Sequence[float], extent_mm: Sequence[float]
) -> tuple[float, ...]:
    """Where to put the middle of a grid that is smaller than the field of view, so that the head is in it.

    Along the depth, the grid begins a little above the top of the head: a sagittal volume shows the neck as
    well, so that the brain lies in its upper part. Within slices, its middle is that of the head's box.
    It never leaves the field of view. Along axes on which nothing is cut off, the middles coincide.

    `volume` is `[depth, height, width]`, depth from inferior to superior; `spacing_mm` is the size of its voxels,
    `extent_mm` that of the grid. Returns distances from the middle of the field of view in voxels of `volume`.
    """
    field_mm = np.array(volume.shape) * np.array(spacing_mm, dtype=float)
    spare_mm = np.maximum(field_mm - np.array(extent_mm, dtype=float), 0.0)
    if not spare_mm.any():
        return (0.0, 0.0, 0.0)
    shape = [
        min(size, max(1, round(mm / _COARSE_MM))) for size, mm in zip(volume.shape, field_mm, strict=True)
    ]
    head = largest_part(brain_mask(resample(volume, shape, "area")))
    if head.all():  # nothing stands out
        return (0.0, 0.0, 0.0)
    coarse_mm = field_mm / head.shape
    top_mm = (np.flatnonzero(head.any(axis=(1, 2)))[-1] + 1) * coarse_mm[0] + _ABOVE_MM
    bottom_mm = min(top_mm, field_mm[0]) - extent_mm[0]
    upper = head[max(0, round(bottom_mm / coarse_mm[0])) :]  # chin and shoulders do not count
    _, *middles = ((indices.min() + indices.max() + 1) / 2 for indices in np.nonzero(upper))  # of its box
    middle_mm = np.array([top_mm - extent_mm[0] / 2, *(middles * coarse_mm[1:])])
    offset_mm = np.clip(middle_mm - field_mm / 2, -spare_mm / 2, spare_mm / 2)
    return tuple(float(value) for value in offset_mm / np.array(spacing_mm, dtype=float))
