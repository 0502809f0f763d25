"""Smooth random fields from separable cubic B-splines.

A field is `sum_k c_k B(x - k)` over a coarse lattice of independent normal coefficients. The basis is
separable, so a volume costs one small matrix product per axis; a cubic zoom of the whole grid gives the
same kind of field at several times the price.

Source: Unser, "Splines: a perfect fit for signal and image processing", IEEE Signal Processing
Magazine 16(6), 1999, equation 4 (the cubic B-spline).
"""

from collections.abc import Sequence

import numpy as np
from scipy.interpolate import BSpline

from bench.data.preprocess.mri_resample import apply_along_axes

_B_SPLINE = BSpline.basis_element(np.arange(-2.0, 3.0), extrapolate=False)  # NaN beyond two knots


def spline_matrix(n_points: int, n_knots: int) -> np.ndarray:
    """Weights of `n_knots` coefficients at `n_points` evenly spaced samples, float32 `[n_points, n_knots]`.

    The samples run from the second to the last but one knot, where the basis is complete: each row sums to 1.

    Raises ValueError: fewer than 4 knots, which leaves no interval with a complete basis.
    """
    if n_knots < 4:
        raise ValueError(f"n_knots is {n_knots}, a cubic spline needs at least 4")
    position = np.linspace(1.0, n_knots - 2.0, n_points) if n_points > 1 else np.array([(n_knots - 1) / 2.0])
    return np.nan_to_num(_B_SPLINE(position[:, None] - np.arange(n_knots))).astype(np.float32)


def knots_for(shape: Sequence[int], voxel_mm: float, spacing_mm: float) -> tuple[int, ...]:
    """Number of knots an axis so that neighbouring knots lie about `spacing_mm` apart."""
    return tuple(max(4, round(size * voxel_mm / spacing_mm) + 3) for size in shape)


def smooth_field(rng: np.random.Generator, shape: Sequence[int], knots: Sequence[int]) -> np.ndarray:
    """Smooth random field of mean 0, float32 `shape`, with any number of axes.

    Each axis has at least 4 `knots`; fewer make it smoother. Averaged over positions the standard deviation is
    close to 1: the basis alone would shrink it, so each axis is divided by the root mean square length of its
    rows.
    """
    coefficients = rng.standard_normal(tuple(knots), dtype=np.float32)
    matrices = []
    for n_points, n_knots in zip(shape, knots, strict=True):
        matrix = spline_matrix(n_points, n_knots)
        matrices.append(matrix / np.sqrt(np.mean(np.sum(matrix**2, axis=1))))
    return apply_along_axes(coefficients, matrices)
