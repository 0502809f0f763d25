"""From a volume of any voxel size to one grid: separable linear interpolation."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from bench.data.formats.volume import Volume
from bench.data.preprocess.mri_head import background_at_zero, head_offsets
from bench.data.preprocess.mri_mask import largest_part, otsu_threshold
from bench.data.preprocess.mri_resample import apply_along_axes
from bench.errors import UserError


@dataclass(frozen=True)
class Grid:
    """The grid that all samples of a dataset are brought to.

    Attributes
    ----------
    shape : (depth, height, width) for volumes, (height, width) for images.
    voxel_mm : size of its voxels in the same order, around the middle of the field of view (but see
        `head`): what lies outside is cut off, what is missing is 0. None spreads the whole field of view
        over the grid.
    antialias : weigh all voxels that a coarser one covers, instead of the nearest two along each axis.
    brain_mask : set what lies outside of an automatic brain mask to 0 (volumes alone).
    head : what comes are volumes of heads, whose intensities mean nothing but their order. Their background
        is made 0, so that what is missing is background, and where the field of view is larger than the
        grid, the grid lies where the head is. See `bench.data.preprocess.mri_head`.
    crop : where it is given, proportions are kept: voxels have one size along all axes, such that this central
        share of the field of view lies in the grid; what is missing is the darkest value of the image.
    colours : three channels, of images that have them.
    """

    shape: tuple[int, ...]
    voxel_mm: tuple[float, ...] | None = None
    antialias: bool = False
    brain_mask: bool = False
    head: bool = False
    crop: float | None = None
    colours: bool = False

    def key(self) -> str:
        """Text that is equal for equal grids, in this and in every later process."""
        fitted = f"|{self.crop}|{self.colours}" if self.crop else ""
        return f"{self.shape}|{self.voxel_mm}|{self.antialias}|{self.brain_mask}|{self.head}{fitted}"

    def view(self) -> str:
        """What the grid shows of a scan, for the report."""
        if self.crop:
            return f"of the central {self.crop:.0%} of the field of view, proportions kept"
        return "of the whole field of view" if self.voxel_mm is None else f"of {self.voxel_mm} mm"


def interpolation_weights(
    n_in: int, n_out: int, step: float | None = None, antialias: bool = False, offset: float = 0.0
) -> np.ndarray:
    """Weights of linear interpolation along one axis.

    Parameters
    ----------
    n_in, n_out : sizes before and after.
    step : distance of output samples in input samples; by default the whole extent, edge to edge, is
        divided (`n_in / n_out`, as `scipy.ndimage.zoom(grid_mode=True, mode="nearest")`). Samples
        beyond the outer edges of the input get no weight.
    antialias : widen the triangle by `step` where it shrinks, as Pillow's `BILINEAR`.
    offset : from the middle of the input to that of the output, in input samples.

    Returns float32 `[n_out, n_in]`; rows sum to 1, or to 0 outside.
    """
    step = n_in / n_out if step is None else step
    centres = (np.arange(n_out) - (n_out - 1) / 2) * step + (n_in - 1) / 2 + offset
    inside = (centres >= -0.5 - 1e-6) & (centres <= n_in - 0.5 + 1e-6)
    width = max(1.0, step) if antialias else 1.0
    # without widening, the outer half voxel repeats the edge; with it, the triangle is cut and rescaled
    points = centres if antialias and width > 1 else np.clip(centres, 0, n_in - 1)
    weights = np.maximum(0.0, 1 - np.abs(np.arange(n_in)[None, :] - points[:, None]) / width)
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
    weights[~inside] = 0
    return weights.astype(np.float32)


def resample(
    array: np.ndarray,
    shape: tuple[int, ...],
    spacing_mm: tuple[float, ...] | None = None,
    voxel_mm: tuple[float, ...] | None = None,
    antialias: bool = False,
    offsets: tuple[float, ...] | None = None,
) -> np.ndarray:
    """Interpolate linearly (trilinearly for volumes) onto a grid of this shape.

    Parameters
    ----------
    array : `[depth, height, width]` or `[height, width]`; any layout in memory.
    spacing_mm, voxel_mm : sizes of voxels before and after, in the order of the axes. Where either is
        None, the whole field of view is spread over the grid.
    offsets : from the middle of the field of view to that of the grid along each axis, in voxels of
        `array`; by default the middles coincide.

    Returns float32, of `shape`.
    """
    if spacing_mm is None or voxel_mm is None:
        steps: list[float | None] = [None] * len(shape)
    else:
        steps = [after / before for after, before in zip(voxel_mm, spacing_mm, strict=True)]
    offsets = offsets or (0.0,) * len(shape)
    weights = [
        None
        if n_in == n_out and (step is None or abs(step - 1) < 1e-6) and not offset
        else interpolation_weights(n_in, n_out, step, antialias, offset)
        for n_in, n_out, step, offset in zip(array.shape, shape, steps, offsets, strict=True)
    ]
    return apply_along_axes(np.asarray(array, dtype=np.float32), weights)


def to_grid(volume: Volume, grid: Grid, source: object) -> np.ndarray:
    """Bring one volume or image to the grid.

    Returns float32 `[*grid.shape, 1]`, in the axis order of `Dataset.x`.

    Raises UserError: an image where the grid needs a volume, or a volume where it needs an image.
    """
    if volume.array.ndim != len(grid.shape):
        kinds = {2: "an image", 3: "a volume"}
        shape = "x".join(map(str, volume.array.shape))
        raise UserError(
            f"{source}: found {kinds[volume.array.ndim]} of {shape}, expected {kinds[len(grid.shape)]}"
        )
    spacing, array, offsets = volume.displayed_spacing_mm(), volume.displayed(), None
    if grid.crop:
        spacing = spacing or (1.0,) * array.ndim
        extent = zip(_extent_mm(array.shape, spacing), grid.shape, strict=True)
        side = max(grid.crop * mm / n for mm, n in extent)
        darkest = array.min()
        fitted = resample(array - darkest, grid.shape, spacing, (side,) * array.ndim, grid.antialias)
        return (fitted + darkest)[..., None]
    if grid.head:
        array = background_at_zero(array)
        if grid.voxel_mm is not None and spacing is not None:
            offsets = head_offsets(array, spacing, _extent_mm(grid.shape, grid.voxel_mm))
    sample = resample(array, grid.shape, spacing, grid.voxel_mm, grid.antialias, offsets)
    if grid.brain_mask:
        sample *= brain_mask(sample, _voxel_mm(grid, array.shape, spacing))
    return sample[..., None]


def _extent_mm(shape: tuple[int, ...], voxel_mm: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(n * mm for n, mm in zip(shape, voxel_mm, strict=True))


def _voxel_mm(grid: Grid, stored: tuple[int, ...], spacing_mm: tuple[float, ...] | None) -> tuple[float, ...]:
    """Size of the voxels of a sample on the grid; 1 mm in the file where it does not say."""
    if grid.voxel_mm is not None and spacing_mm is not None:
        return grid.voxel_mm
    extent = _extent_mm(stored, spacing_mm or (1.0,) * len(stored))
    return tuple(mm / n for mm, n in zip(extent, grid.shape, strict=True))


def _ball(radius_mm: float, voxel_mm: tuple[float, ...]) -> np.ndarray:
    reach = [int(radius_mm // size) for size in voxel_mm]
    axes = np.meshgrid(
        *[np.arange(-n, n + 1) * size for n, size in zip(reach, voxel_mm, strict=True)], indexing="ij"
    )
    return sum(axis**2 for axis in axes) <= radius_mm**2 + 1e-9


def brain_mask(array: np.ndarray, voxel_mm: tuple[float, ...]) -> np.ndarray:
    """Find the brain roughly: threshold, cut the bridges to the scalp, keep the largest piece, close it.

    The recipe of `median_otsu` (DIPY) with lengths in mm, on the resampled grid, where it takes
    milliseconds. Works on skull-stripped volumes and on T1 with a dark skull; it is no replacement for a
    segmentation where the scalp touches the brain.

    Takes `[depth, height, width]`; returns bool, of the same shape, everything where nothing stands out.
    """
    low, high = np.percentile(array, (0.5, 99.5))
    if high <= low:
        return np.ones(array.shape, dtype=bool)
    smooth = ndimage.gaussian_filter(np.clip(array, low, high), [1.5 / size for size in voxel_mm])
    foreground = smooth > otsu_threshold(smooth)
    core = largest_part(ndimage.binary_erosion(foreground, _ball(4.0, voxel_mm)))
    grown = ndimage.binary_dilation(core, _ball(5.0, voxel_mm))
    closed = ndimage.binary_closing(np.pad(grown, 8), _ball(8.0, voxel_mm))[8:-8, 8:-8, 8:-8] | grown
    return np.stack([ndimage.binary_fill_holes(layer) for layer in closed])
