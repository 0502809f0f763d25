"""Scanners: what a brain goes through before it is a volume on disk.

Slices of the scanner's own thickness, a smooth bias field, the scanner's brightness, and Rician noise.

Sources
-------
Slice thickness of 2.5 to 8 mm: clinical axial T1 protocols, from 3D sequences reformatted at 2-3 mm to 5 mm
slices with a 1-2 mm gap; see Menze et al., "The multimodal brain tumor image segmentation benchmark (BRATS)",
IEEE TMI 34(10), 2015, section III-A (clinical T1c, mostly 1 to 6 mm).
Bias field of up to some tens of per cent: Sled, Zijdenbos, Evans, "A nonparametric method for automatic
correction of intensity nonuniformity in MRI data", IEEE TMI 17(1), 1998; 20 and 40 % in BrainWeb (Collins et
al., IEEE TMI 17(3), 1998), which also gives noise of 1 to 9 % of the brightest tissue. Noise: Gudbjartsson
and Patz, "The Rician distribution of noisy MRI data", MRM 34(6), 1995.
"""

from dataclasses import dataclass

import numpy as np

from bench.data.generators.smooth import apply_along_axes, smooth_field


@dataclass(frozen=True)
class Scanner:
    """One scanner and its protocol."""

    name: str  # what stands in a dataset's `sites`
    depth: int  # number of axial slices
    slice_mm: float  # distance between slices; each slice averages over all of it
    matrix: tuple[int, int]  # pixels of a slice, height and width
    pixel_mm: float  # side of a pixel
    brightness: float  # intensity of white matter, in the scanner's arbitrary units
    bias: float  # standard deviation of the bias field's logarithm
    noise: float  # standard deviation of the noise in each channel, relative to white matter

    @property
    def voxel_mm(self) -> tuple[float, float, float]:
        """Size of a voxel along z, y and x."""
        return (self.slice_mm, self.pixel_mm, self.pixel_mm)


SCANNERS: tuple[Scanner, ...] = (
    Scanner("scanner-1", 60, 2.6, (112, 112), 2.0, 420.0, 0.10, 0.022),
    Scanner("scanner-2", 48, 3.3, (104, 104), 2.1, 1250.0, 0.14, 0.018),
    Scanner("scanner-3", 40, 4.0, (108, 108), 2.1, 310.0, 0.08, 0.035),
    Scanner("scanner-4", 32, 5.0, (108, 108), 2.0, 860.0, 0.12, 0.026),
    Scanner("scanner-5", 26, 6.2, (120, 120), 1.9, 190.0, 0.09, 0.030),
    Scanner("scanner-6", 20, 8.0, (128, 128), 1.8, 640.0, 0.16, 0.015),
)


def acquire(brain: np.ndarray, voxel_mm: float, scanner: Scanner, rng: np.random.Generator) -> np.ndarray:
    """Scan `brain` (float32 `[z, y, x]`, white matter near 1, isotropic `voxel_mm`).

    Returns float32 `[depth, height, width]` of the scanner, in its units; the axes run as those of `brain`.
    """
    shape = (scanner.depth, *scanner.matrix)
    matrices = [
        overlap_matrix(n_in, voxel_mm, n_out, out_mm)
        for n_in, n_out, out_mm in zip(brain.shape, shape, scanner.voxel_mm, strict=True)
    ]
    gain = np.exp(scanner.bias * smooth_field(rng, shape, (4, 5, 5)))
    gain *= np.float32(scanner.brightness * rng.uniform(0.85, 1.15))
    signal = apply_along_axes(brain, matrices) * gain
    deviation = np.float32(scanner.noise * scanner.brightness)
    real = signal + deviation * rng.standard_normal(shape, dtype=np.float32)
    imaginary = deviation * rng.standard_normal(shape, dtype=np.float32)
    return np.hypot(real, imaginary)


def overlap_matrix(n_in: int, in_mm: float, n_out: int, out_mm: float) -> np.ndarray:
    """Weights `[n_out, n_in]` that average boxes of `in_mm` into boxes of `out_mm`, both grids centred on 0.

    What lies outside the input counts as zero: the field of view may be larger than the brain's grid.
    """
    in_edges = (np.arange(n_in + 1) - n_in / 2.0) * in_mm
    out_edges = (np.arange(n_out + 1) - n_out / 2.0) * out_mm
    upper = np.minimum(out_edges[1:, None], in_edges[None, 1:])
    lower = np.maximum(out_edges[:-1, None], in_edges[None, :-1])
    return (np.clip(upper - lower, 0.0, None) / out_mm).astype(np.float32)
