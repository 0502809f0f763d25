"""Bring volumes of any depth and size to one grid, axis by axis.

The first and the last voxel's outer edges stay where they are ("half-pixel" centres), as in
`scipy.ndimage.zoom(..., grid_mode=True, mode="nearest")` with order 1 (trilinear) or 0 (nearest).
"""

from collections.abc import Sequence

import numpy as np

METHODS = ("trilinear", "nearest", "area")


def resample(
    volume: np.ndarray,
    shape: Sequence[int],
    method: str = "trilinear",
    box: Sequence[tuple[float, float]] | None = None,
) -> np.ndarray:
    """Resample `volume` `[z, y, x]` to `shape`; float32.

    Parameters
    ----------
    volume : any real dtype; may be a memory map.
    shape : the new size of each axis.
    method : `trilinear` interpolates between neighbouring voxel centres; `nearest` picks whole slices, rows
        and columns; `area` is trilinear with a triangle as wide as the new voxels where the grid becomes
        coarser, which averages instead of skipping voxels (noise falls, nothing aliases).
    box : the part of each axis to take, from edge to edge in voxels (the whole axis is `(0, n)`); it may be
        fractional and may reach beyond the volume, whose outermost samples are then repeated.
    """
    volume = np.asarray(volume)
    extents = [(0.0, float(size)) for size in volume.shape] if box is None else box
    weights = [
        axis_weights(n_in, n_out, method, extent)
        for n_in, n_out, extent in zip(volume.shape, shape, extents, strict=True)
    ]
    return apply_along_axes(volume, weights).astype(np.float32, copy=False)


def apply_along_axes(volume: np.ndarray, matrices: Sequence[np.ndarray | None]) -> np.ndarray:
    """Multiply each axis of `volume` by its matrix `[n_out, n_in]`; None leaves an axis as it is."""
    steps = [(axis, matrix) for axis, matrix in enumerate(matrices) if matrix is not None]
    # The strongest reduction first: what follows works on the smaller array.
    for axis, matrix in sorted(steps, key=lambda step: step[1].shape[0] / step[1].shape[1]):
        volume = np.moveaxis(np.tensordot(matrix, volume, axes=(1, axis)), 0, axis)
    return np.ascontiguousarray(volume)


def axis_weights(n_in: int, n_out: int, method: str, extent: tuple[float, float]) -> np.ndarray:
    """Weights of the old samples in the new ones, float32 `[n_out, n_in]`; each row sums to 1.

    `extent` is the part of the axis to take (see `resample`). Beyond the outermost centres the outermost
    sample is repeated.
    """
    start, stop = extent
    step = (stop - start) / n_out
    centre = np.clip(start + (np.arange(n_out) + 0.5) * step - 0.5, 0.0, n_in - 1.0)
    old = np.arange(n_in)
    if method == "nearest":
        return (np.floor(centre + 0.5)[:, None] == old).astype(np.float32)
    width = max(1.0, step) if method == "area" else 1.0
    weights = np.clip(1.0 - np.abs(centre[:, None] - old) / width, 0.0, None)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
