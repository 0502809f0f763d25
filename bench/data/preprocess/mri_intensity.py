"""Bias correction, contrast adjustment and normalisation of one volume.

Every statistic comes from the volume itself, inside its brain: nothing is learned from other subjects, so
nothing can leak from test to training. All functions take float32 `[z, y, x]` and a bool mask of the same
shape, and return a new float32 array.
"""

import numpy as np
from scipy import ndimage

CONTRASTS = ("none", "window", "equalise")
NORMALISATIONS = ("none", "zscore", "percentile", "white")


def correct_bias(volume: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Divide by a smooth estimate of the bias field.

    The field is the Gaussian-smoothed logarithm of the brain, by normalised convolution: smoothed values over
    smoothed mask. Without the mask the dark background leaks into the smooth image, and dividing by it blows
    up the rim of the brain. Extremes are clipped first, so that a dark tumour does not pass for bias.

    At the brain's border the Gaussian sees one side only and flattens the field; estimating what is left again,
    twice, recovers most of the slope.

    Sources
    -------
    Knutsson and Westin, "Normalized and differential convolution", CVPR 1993; homomorphic unsharp masking:
    Brinkmann, Manduca, Robb, "Optimized homomorphic unsharp masking for MR grayscale inhomogeneity
    correction", IEEE TMI 17(2), 1998.
    """
    inside = volume[mask]
    low, high = (float(value) for value in np.percentile(inside, (10.0, 98.0)))
    low = max(low, 1e-3 * high, float(np.finfo(np.float32).tiny))
    if not high > low:
        return volume.astype(np.float32)
    logarithm = np.where(mask, np.log(np.clip(volume, low, high)), 0.0).astype(np.float32)
    sigma = [max(0.2 * size, 0.5) for size in volume.shape]
    weight = ndimage.gaussian_filter(mask.astype(np.float32), sigma, mode="constant")
    total = np.zeros_like(logarithm)
    for _ in range(3):
        field = ndimage.gaussian_filter(logarithm, sigma, mode="constant") / np.maximum(weight, 1e-6)
        field = np.where(mask, field - field[mask].mean(), 0.0).astype(np.float32)
        logarithm -= field
        total += field
    return (volume / np.exp(total)).astype(np.float32)


def window(
    volume: np.ndarray, mask: np.ndarray, percentiles: tuple[float, float] = (1.0, 99.5), gamma: float = 1.0
) -> np.ndarray:
    """Map two percentiles of the brain to 0..1, clip, and raise to `gamma` (below 1 brightens the dark)."""
    low, high = np.percentile(volume[mask], percentiles)
    scaled = np.clip((volume - low) / max(float(high - low), 1e-12), 0.0, 1.0)
    return (scaled**gamma).astype(np.float32)


def equalise(volume: np.ndarray, mask: np.ndarray, n_bins: int = 256) -> np.ndarray:
    """Histogram equalisation: each voxel becomes the share of the brain that is darker, 0 to 1.

    Linear between the edges of `n_bins` equal bins. Source: Gonzalez and Woods, "Digital Image Processing",
    section 3.3.1.
    """
    inside = volume[mask]
    counts, edges = np.histogram(inside, bins=n_bins)
    share = np.concatenate([[0.0], np.cumsum(counts)]) / max(inside.size, 1)
    return np.interp(volume, edges, share).astype(np.float32)


def zscore(volume: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Mean 0 and standard deviation 1 over the brain."""
    inside = volume[mask].astype(np.float64)
    return ((volume - inside.mean()) / max(inside.std(), 1e-12)).astype(np.float32)


def percentile_range(
    volume: np.ndarray, mask: np.ndarray, percentiles: tuple[float, float] = (1.0, 99.0)
) -> np.ndarray:
    """Map two percentiles of the brain to 0 and 1, linearly and without clipping."""
    low, high = np.percentile(volume[mask], percentiles)
    return ((volume - low) / max(float(high - low), 1e-12)).astype(np.float32)


def white_matter_mode(volume: np.ndarray, mask: np.ndarray, n_bins: int = 200) -> float:
    """Intensity of the brightest large peak of the brain's histogram: white matter in a T1-weighted image.

    The histogram is smoothed; a peak counts if it is at least a third as high as the highest.

    Source: Shinohara et al., "Statistical normalization techniques for magnetic resonance imaging",
    NeuroImage: Clinical 6, 2014 (normal-appearing white matter as the reference).
    """
    inside = volume[mask]
    low, high = np.percentile(inside, (1.0, 99.5))
    if not high > low:
        return float(high)
    counts, edges = np.histogram(inside, bins=n_bins, range=(low, high))
    smooth = ndimage.gaussian_filter1d(counts.astype(float), n_bins / 40.0, mode="constant")
    interior = smooth[1:-1]
    peaks = 1 + np.flatnonzero((interior >= smooth[:-2]) & (interior > smooth[2:]))
    tall = peaks[smooth[peaks] >= smooth.max() / 3.0]
    peak = int(tall[-1]) if tall.size else int(np.argmax(smooth))
    return float((edges[peak] + edges[peak + 1]) / 2.0)


def white_relative(volume: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Divide by the white-matter mode: white matter becomes 1, zero stays zero."""
    mode = white_matter_mode(volume, mask)
    return (volume / (mode if abs(mode) > 1e-12 else 1.0)).astype(np.float32)
