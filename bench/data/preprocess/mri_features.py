"""Hand-made features of brain volumes: histogram, extremes, left-right asymmetry. What a network has to beat.

Source of the asymmetry features: a tumour breaks the brain's mirror symmetry, see Saha et al., "Quick
detection of brain tumors and edemas: a bounding box method using symmetry", Computerized Medical Imaging and
Graphics 36(2), 2012.
"""

from itertools import pairwise

import numpy as np
from scipy import ndimage

from bench.data.caches.memory_maps import passing
from bench.data.preprocess.mri_intensity import white_relative
from bench.data.preprocess.mri_mask import brain_mask
from bench.data.preprocess.mri_resample import resample

HISTOGRAM_EDGES = np.linspace(0.0, 1.8, 19)  # relative to white matter
EXTREME_PERCENTILES = (0.1, 1.0, 5.0, 95.0, 99.0, 99.9)
ASYMMETRY_SIGMAS = (1.0, 2.0, 4.0)  # in pixels of a slice of 64x64
ASYMMETRY_PERCENTILES = (50.0, 90.0, 99.0)
N_SLABS = 4

FEATURE_NAMES: tuple[str, ...] = (
    *(f"histogram {low:.1f}-{high:.1f}" for low, high in pairwise(HISTOGRAM_EDGES)),
    *(f"percentile {p:g}" for p in EXTREME_PERCENTILES),
    "brightest",
    "darkest",
    "mean",
    "standard deviation",
    *(
        f"asymmetry {statistic}, sigma {sigma:g}"
        for sigma in ASYMMETRY_SIGMAS
        for statistic in ("mean", *(f"percentile {p:g}" for p in ASYMMETRY_PERCENTILES), "largest")
    ),
    *(f"asymmetry of slab {slab + 1}" for slab in range(N_SLABS)),
    "largest asymmetry of a slice over the median slice's",
)


def features(x: np.ndarray) -> np.ndarray:
    """Features of volumes, float32 `[n, len(FEATURE_NAMES)]`.

    `x` is float32 `[n, depth, height, width, 1]`, width from left to right, of any scale: each volume is brought
    to white matter = 1 first. It may be a memory map; it is read a volume at a time.
    """
    result = np.empty((len(x), len(FEATURE_NAMES)), dtype=np.float32)
    for index, volume in enumerate(passing(x)):
        result[index] = _volume_features(volume[..., 0])
    return result


def _volume_features(volume: np.ndarray) -> np.ndarray:
    # Relative to the darkest voxel and to white matter: a z-scored volume gives the same features.
    volume = volume - volume.min()
    mask = brain_mask(volume)
    volume = white_relative(volume, mask)
    inside = volume[mask]
    counts = np.histogram(np.clip(inside, HISTOGRAM_EDGES[0], HISTOGRAM_EDGES[-1]), HISTOGRAM_EDGES)[0]
    values = [
        *(counts / inside.size),
        *np.percentile(inside, EXTREME_PERCENTILES),
        inside.max(),
        inside.min(),
        inside.mean(),
        inside.std(),
        *_asymmetry_features(volume, mask),
    ]
    return np.array(values, dtype=np.float32)


def _asymmetry_features(volume: np.ndarray, mask: np.ndarray) -> list[float]:
    shape = (volume.shape[0], 64, 64)
    volume = np.minimum(resample(volume, shape), 2.0)
    mask = resample(mask.astype(np.float32), shape) >= 0.5
    values: list[float] = []
    flipped, flipped_mask = _mirror(volume, mask)
    both = ndimage.binary_erosion(mask & flipped_mask, np.ones((1, 3, 3), dtype=bool))
    if not both.any():
        return [0.0] * (len(ASYMMETRY_SIGMAS) * (2 + len(ASYMMETRY_PERCENTILES)) + N_SLABS + 1)
    difference = np.where(both, volume - flipped, 0.0)
    for sigma in ASYMMETRY_SIGMAS:
        # The signed difference is smoothed: folds cancel, a lesion does not.
        smooth = np.abs(ndimage.gaussian_filter(difference, (0.0, sigma, sigma)))
        inside = smooth[both]
        values += [inside.mean(), *np.percentile(inside, ASYMMETRY_PERCENTILES), inside.max()]
        if sigma == ASYMMETRY_SIGMAS[1]:
            per_slice = smooth.sum(axis=(1, 2)) / np.maximum(both.sum(axis=(1, 2)), 50)
    slabs = [float(part.mean()) if part.size else 0.0 for part in np.array_split(per_slice, N_SLABS)]
    occupied = per_slice[both.any(axis=(1, 2))]
    return [*values, *slabs, float(occupied.max() / max(np.median(occupied), 1e-6))]


def _mirror(volume: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mirror image about the brain's midline: in each slice the line through the mask's centres of mass.

    The midline may tilt: it is fitted, by least squares over all rows of the brain, as a plane
    `x = a + b z + c y` through the middles of the mask's rows.
    """
    n_x = volume.shape[2]
    pixels = mask.sum(axis=2)
    z, y = np.nonzero(pixels > 0.2 * max(pixels.max(), 1))
    if z.size < 3:
        return volume[:, :, ::-1], mask[:, :, ::-1]
    columns = np.arange(n_x)
    middle = (mask * columns).sum(axis=2)[z, y] / pixels[z, y]
    design = np.stack([np.ones(z.size), z, y], axis=1)
    weight = np.sqrt(pixels[z, y])
    a, b, c = np.linalg.lstsq(design * weight[:, None], middle * weight, rcond=None)[0]

    slices, rows = np.indices(volume.shape[:2])[..., None]
    source = 2.0 * (a + b * slices + c * rows) - columns
    is_inside = (source >= 0) & (source <= n_x - 1)
    source = np.clip(source, 0, n_x - 1)
    left = source.astype(np.intp)
    right, share = np.minimum(left + 1, n_x - 1), source - left

    def interpolated(values: np.ndarray) -> np.ndarray:
        at_left, at_right = (np.take_along_axis(values, place, axis=2) for place in (left, right))
        return (1 - share) * at_left + share * at_right

    return interpolated(volume).astype(np.float32), (interpolated(mask) > 0.5) & is_inside
