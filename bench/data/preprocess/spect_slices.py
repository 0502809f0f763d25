"""From a DaT SPECT volume, or a slice as somebody stored it, to the slice of the `spect` task.

The slab through the striatum is found from the uptake itself, its slices are averaged, and the mean is
brought to the 109 x 91 grid of 2 mm. Wenzel et al. (*Eur J Nucl Med Mol Imaging* 2019; 46:2800) average
12 mm; that is the default here.
"""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from bench.data.formats.volume import Volume
from bench.data.preprocess.spect_binding_ratios import place, reference_uptake
from bench.data.preprocess.spect_grid import BRAIN_X_MM, BRAIN_Y_MM, COLUMNS, ROWS, SPACING_MM, X_MM, Y_MM
from bench.errors import UserError

SLAB_MM = 12.0
# The striatum lies within this distance of the head's middle: across (mm), behind and before it (mm).
_STRIATUM_WINDOW_MM = (40.0, -15.0, 50.0)
_STRIATUM_AREA_MM2 = 800.0  # about the area of both striata in the plane


def to_slice(volume: Volume, slices: tuple[int, int] | None = None, name: str = "volume") -> np.ndarray:
    """Bring a volume, or an image with a spacing in the radiological view, to the task's grid.

    Of a volume, the slices through the striatum are averaged. 91 x 109 voxels of 2 mm in the plane are taken to
    lie in MNI space and not moved; all else is centred, on the head and then on the striatum. `slices` are the
    first and the one after the last, from below, if not to be found from the uptake; `name` is the file's, for
    errors.

    Returns `[109, 91]` float32, in the volume's units.

    Raises UserError: a volume without voxel sizes or uptake, an image of another size than `orient` turns that has
    no spacing, a range outside the volume.
    """
    array, spacing = volume.array, volume.spacing_mm
    if array.ndim == 2 and spacing is None:
        found = "x".join(str(size) for size in array.shape)
        raise UserError(f"{name}: slices of {found} pixels, expected {ROWS}x{COLUMNS} or {COLUMNS}x{ROWS}")
    if spacing is None:
        raise UserError(f"{name}: volume without voxel sizes, expected a header that gives them")
    if array.max() <= 0:
        raise UserError(f"{name}: no value above 0, expected a SPECT image")
    if array.ndim == 2:
        plane, spacing = array[::-1, ::-1].T, spacing[::-1]
    else:
        first, last = slices or slab(array, spacing)
        if not 0 <= first < last <= array.shape[2]:
            raise UserError(
                f"{name}: PREPROCESS=slices={first}-{last - 1}, expected a range within 0 to {array.shape[2] - 1}"
            )
        plane = array[:, :, first:last].mean(axis=2)
    in_mni = plane.shape == (COLUMNS, ROWS) and np.allclose(spacing[:2], SPACING_MM, atol=0.01)
    return np.ascontiguousarray(plane.T[::-1, ::-1]) if in_mni else to_grid(plane, spacing[:2])


def slab(volume: np.ndarray, spacing_mm: Sequence[float]) -> tuple[int, int]:
    """Find the slices through the striatum of `[x, y, z]` (RAS): first, and the one after the last.

    In every slice the hottest 8 cm2 before and beside the middle of the head are averaged (where the
    striatum must be; salivary glands and nose lie outside). The slab is centred on the middle of the
    run of slices above half of that profile's height over the brain.
    """
    across, behind, before = _STRIATUM_WINDOW_MM
    dx, dy, dz = (float(value) for value in spacing_mm)
    middle_x, middle_y = _middle(volume.mean(axis=2), (dx, dy))
    x, y = np.arange(volume.shape[0]) * dx - middle_x, np.arange(volume.shape[1]) * dy - middle_y
    inside = volume[np.ix_(np.abs(x) <= across, (y >= behind) & (y <= before))]
    inside = inside.reshape(-1, volume.shape[2])
    hottest = min(max(round(_STRIATUM_AREA_MM2 / (dx * dy)), 1), len(inside))
    profile = np.sort(inside, axis=0)[-hottest:].mean(axis=0) - np.median(inside, axis=0)
    profile = ndimage.gaussian_filter1d(profile, 4 / dz, mode="nearest")
    peak = int(np.argmax(profile))
    low = high = peak
    while low > 0 and profile[low - 1] >= profile[peak] / 2:
        low -= 1
    while high + 1 < len(profile) and profile[high + 1] >= profile[peak] / 2:
        high += 1
    weights = profile[low : high + 1]
    centre = float(np.average(np.arange(low, high + 1), weights=np.maximum(weights, 1e-6)))
    count = min(max(round(SLAB_MM / dz), 1), volume.shape[2])
    first = int(np.clip(round(centre - (count - 1) / 2), 0, volume.shape[2] - count))
    return first, first + count


def to_grid(plane: np.ndarray, spacing_mm: Sequence[float]) -> np.ndarray:
    """Resample a plane to the task's grid, its head and then its striatum at their places in MNI space.

    `plane` is `[x, y]`, indices growing to the right and to the front. The result is `[109, 91]` float32 by
    linear interpolation, 0 outside the plane.
    """
    middle = _middle(plane, spacing_mm)
    image = _resample(plane, spacing_mm, middle, (0.0, 0.0))
    # The outline gives the middle of the head to some millimetres, the striatum the rest.
    shift = place(image[None]).shift_mm[0]
    return _resample(plane, spacing_mm, middle, (float(shift[0]), float(shift[1])))


def orient(images: np.ndarray) -> np.ndarray:
    """Turn stored slices of 2 mm pixels so that rows run from the front of the head to the back.

    A PNG has no header that tells how the head lies. The shape decides whether the front is at the top or
    bottom (109 x 91) or at the right or left (91 x 109), and the uptake which of the two, the striatum lying
    before the middle of the head: by the vote of all images that are given, which should therefore be those
    of one folder. They are turned, never mirrored: which side of the head is which remains as it was stored.

    Takes `[n, 109, 91]` or `[n, 91, 109]`; returns `[n, 109, 91]` float32.
    """
    images = np.asarray(images, np.float32)
    turns = 0 if images.shape[1:] == (ROWS, COLUMNS) else 1
    one, other = (np.ascontiguousarray(np.rot90(images, turns + half, axes=(1, 2))) for half in (0, 2))
    contrast = [place(a).uptake.mean(axis=1) / reference_uptake(a, "brain") for a in (one, other)]
    return one if np.mean(contrast[0] >= contrast[1]) >= 0.5 else other


def _middle(plane: np.ndarray, spacing_mm: Sequence[float]) -> tuple[float, float]:
    """Middle of the brain's extent in mm from the first pixel, x and y.

    The threshold is half the median of what is brighter than the mean: half of brain background, whatever
    the share of air in the image. The extent leaves out 1% on each side, where scalp and noise may be.
    """
    bright = plane[plane > plane.mean()]
    mask = plane > 0.5 * (np.median(bright) if bright.size else 0.0)
    components, count = ndimage.label(ndimage.binary_opening(mask))
    if count:
        mask = components == 1 + np.argmax(np.bincount(components.ravel())[1:])
    where = np.argwhere(mask if mask.any() else np.ones_like(mask))
    low, high = np.percentile(where, [1, 99], axis=0)
    return float((low + high)[0] / 2 * spacing_mm[0]), float((low + high)[1] / 2 * spacing_mm[1])


def _resample(
    plane: np.ndarray, spacing_mm: Sequence[float], middle: tuple[float, float], shift: tuple[float, float]
) -> np.ndarray:
    x = (X_MM - BRAIN_X_MM + shift[0] + middle[0]) / spacing_mm[0]
    y = (Y_MM - BRAIN_Y_MM + shift[1] + middle[1]) / spacing_mm[1]
    # Average before sampling more coarsely than the plane was.
    sd = [max(SPACING_MM / float(spacing) - 1, 0) / 2 for spacing in spacing_mm]
    smooth = ndimage.gaussian_filter(plane.astype(np.float32), sd)
    points = np.meshgrid(y, x, indexing="ij")
    return ndimage.map_coordinates(smooth, [points[1], points[0]], order=1, cval=0.0).astype(np.float32)
