"""Striatal binding ratios of DaT SPECT images: what nuclear medicine measures without a network.

A binding ratio is (mean uptake of a region - reference) / reference, the reference being tissue without
dopamine transporters. Regions for caudate and putamen on both sides are placed automatically: a rigid
set of four ellipses is moved over a grid of shifts and rotations around its place in MNI space and stays
where the uptake within is greatest, as in the semi-quantitative packages of the clinic (Radau
et al., *J Nucl Med* 2000; 41:220; EANM guideline: Morbelli et al., *Eur J Nucl Med Mol Imaging* 2020;
47:1885). Every number comes from the image alone.
"""

from functools import lru_cache
from itertools import product
from typing import NamedTuple

import numpy as np

from bench.data.preprocess.spect_grid import COLUMNS, ROWS, SPACING_MM, X_MM, Y_MM, column_of, row_of

REFERENCES = ("occipital", "brain")

# Centre right and anterior, semi-axes along and across in mm, tilt of the long axis to the side going
# forward in degrees, for the right side (MNI152). A little within the nuclei, as such regions are drawn.
CAUDATE = (12.5, 12.0, 8.0, 5.0, 20.0)
PUTAMEN = (25.0, 2.0, 14.0, 4.5, -17.0)
# Reference regions as ellipses: centre and semi-axes, right and anterior, in mm.
OCCIPITAL = (0.0, -84.0, 32.0, 12.0)
BRAIN = (0.0, -17.0, 58.0, 78.0)
STRIATUM = (0.0, 3.0, 46.0, 34.0)  # left out of the brain as a reference, with its blur

SHIFT_PIXELS = 5  # at most 10 mm in either direction
ROTATIONS_DEGREES = tuple(range(-8, 9, 2))
_BLOCK = 256  # images placed at a time, to bound the memory


class Placement(NamedTuple):
    """Where the regions came to lie in each of n images.

    `shift_mm` `[n, 2]` is right and anterior, from the place in MNI space; `uptake` `[n, 4]` the mean of each
    region, as in `binding_ratios`.
    """

    shift_mm: np.ndarray
    uptake: np.ndarray


def binding_ratios(x: np.ndarray, reference: str = "occipital") -> np.ndarray:
    """Specific binding ratios of the four striatal regions.

    `x` is `[n, 109, 91, 1]` or `[n, 109, 91]`, uncropped, not normalised (a factor cancels, an offset does not);
    `reference` is tissue without transporters: `occipital` cortex, or the `brain` without the striatum.

    Returns `[n, 4]` float32: left caudate, right caudate, left putamen, right putamen.
    """
    images = _images(x)
    uptake = place(images).uptake
    return (uptake / reference_uptake(images, reference)[:, None] - 1).astype(np.float32)


def reference_uptake(x: np.ndarray, reference: str = "occipital") -> np.ndarray:
    """Mean uptake `[n]` of the reference region, fixed in MNI space; at least a small positive number."""
    if reference not in REFERENCES:
        raise ValueError(f"reference {reference!r}, expected one of {', '.join(REFERENCES)}")
    mask = _reference_mask(reference)
    images = _images(x)
    means = images[:, mask].mean(axis=1)
    return np.maximum(means, 1e-6)


def place(x: np.ndarray) -> Placement:
    """Move the set of regions to where it holds the greatest uptake.

    The sum of the four regions' means is maximised over all shifts and rotations on the grid. One rigid
    set for both sides keeps a region whose uptake is lost from wandering to a brighter neighbour.
    """
    images = _images(x)
    bank, poses = _bank()
    window = _window()
    shift_mm, uptake = np.empty((len(images), 2)), np.empty((len(images), 4), np.float32)
    for first in range(0, len(images), _BLOCK):
        block = slice(first, first + _BLOCK)
        pixels = images[block, window[0], window[1]].reshape(-1, bank.shape[-1])
        chosen = np.argmax(pixels @ bank.sum(axis=1).T, axis=1)
        shift_mm[block] = poses[chosen]
        uptake[block] = np.einsum("np,nrp->nr", pixels, bank[chosen])
    return Placement(shift_mm, uptake)


def _images(x: np.ndarray) -> np.ndarray:
    """`[n, 109, 91]` float32 of either shape."""
    images = np.asarray(x, np.float32)
    if images.ndim == 4 and images.shape[-1] == 1:
        images = images[..., 0]
    if images.shape[1:] != (ROWS, COLUMNS):
        raise ValueError(f"x has shape {np.shape(x)}, expected [n, {ROWS}, {COLUMNS}, 1]")
    return images


def _ellipse(centre_x: float, centre_y: float, semi_x: float, semi_y: float) -> np.ndarray:
    x, y = (X_MM[None, :] - centre_x) / semi_x, (Y_MM[:, None] - centre_y) / semi_y
    return x**2 + y**2 <= 1


@lru_cache
def _reference_mask(reference: str) -> np.ndarray:
    return _ellipse(*OCCIPITAL) if reference == "occipital" else _ellipse(*BRAIN) & ~_ellipse(*STRIATUM)


def _window() -> tuple[slice, slice]:
    """Rows and columns that hold the regions wherever they may be moved."""
    return slice(int(row_of(38)), int(row_of(-28)) + 1), slice(int(column_of(50)), int(column_of(-50)) + 1)


@lru_cache(maxsize=1)
def _bank() -> tuple[np.ndarray, np.ndarray]:
    """Weights `[pose, region, pixel]` of the window that average each region, and shifts in mm `[pose, 2]`."""
    rows, columns = _window()
    x, y = X_MM[None, columns], Y_MM[rows, None]
    weights, poses = [], []
    steps = SPACING_MM * np.arange(-SHIFT_PIXELS, SHIFT_PIXELS + 1)
    for rotation, dx, dy in product(ROTATIONS_DEGREES, steps, steps):
        weights.append(_regions(x - dx, y - dy, np.deg2rad(rotation)))
        poses.append((dx, dy))
    return np.stack(weights).astype(np.float32), np.array(poses, np.float64)


def _regions(x: np.ndarray, y: np.ndarray, rotation: float) -> np.ndarray:
    """Averaging weights `[4, pixel]`, the set turned about the middle of the striatum."""
    cos, sin = np.cos(rotation), np.sin(rotation)
    middle = 5.0
    head_x = cos * x + sin * (y - middle)
    head_y = -sin * x + cos * (y - middle) + middle
    masks = []
    for centre_x, centre_y, long, short, tilt in (CAUDATE, PUTAMEN):
        angle = np.deg2rad(tilt)
        for sign in (-1, 1):
            dx, dy = sign * head_x - centre_x, head_y - centre_y
            along = (np.sin(angle) * dx + np.cos(angle) * dy) / long
            across = (np.cos(angle) * dx - np.sin(angle) * dy) / short
            inside = (1 - np.hypot(along, across)) * short / SPACING_MM + 0.5  # share of edge pixels
            masks.append(np.clip(inside, 0, 1).ravel())
    weights = np.stack(masks)
    return weights / weights.sum(axis=1, keepdims=True)
