"""From the true uptake to a SPECT image: resolution, counts, scatter, calibration.

The camera's resolution of 7-12 mm FWHM comes from collimator, reconstruction and post-filter together.
Photons are counted after the collimator has blurred them and before the filter smooths the noise, so the
noise is put between two blurs: it is Poisson in its origin and correlated over neighbouring pixels in
the image, as in reconstructed SPECT (Wilson & Tsui, *IEEE Trans Nucl Sci* 1993; 40:1198).
Heavily smoothed images (some 18 mm more) stand for old cameras and other reconstructions, as in Wenzel
et al., *Eur J Nucl Med Mol Imaging* 2019; 46:2800, on real images. The blur is the same along the body's
axis, where the striatum is only some 28 mm high: what it loses there to the slices above and below is
taken off its binding (`axial_recovery`), which matters for smoothed images.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage, special

from bench.data.generators.spect_anatomy import Tissue
from bench.data.preprocess.spect_grid import SPACING_MM, X_MM, Y_MM

FWHM_TO_SD = 1 / np.sqrt(8 * np.log(2))
Range = tuple[float, float]


@dataclass(frozen=True)
class Imaging:
    """Ranges from which the imaging of a subject is drawn (uniformly where nothing else is said).

    The defaults are of one tracer, one protocol, eight hospitals after spatial normalisation: a multi-centre
    study. Uptake is relative to grey matter.
    """

    fwhm_mm: Range = (7, 12)  # resolution of the whole chain
    share_before_noise: Range = (0.6, 0.85)  # of the blur's variance; the colour of the noise
    counts: Range = (8, 40)  # in a background pixel, log-uniform
    smooth_probability: float = 0  # how often an image is smoothed once more, and by how much
    smooth_fwhm_mm: Range = (15, 21)
    white: Range = (0.7, 0.85)  # uptake of white matter
    fluid: Range = (0.3, 0.5)  # and of cerebrospinal fluid
    # uptake of the scalp, its distance from the brain, standard deviation across it
    scalp: Range = (0.1, 0.3)
    scalp_at_mm: Range = (9, 12)
    scalp_width_mm: Range = (2.5, 4)
    scatter: Range = (0.0, 0.04)  # uniform haze over the field of view
    # greatest relative change by attenuation: side to side, front to back, to the depth
    shading: float = 0.04
    ratio: Range = (1, 1)  # factor on all binding ratios: how much of them a reconstruction recovers
    gain: Range = (0.8, 1.25)  # factor from counts to stored values, log-uniform
    rotation_degrees: float = 2  # standard deviations of the head's pose
    shift_mm: float = 1.5
    scale: float = 0.025
    shape_mm: float = 0.8  # standard deviations of centre, semi-axes and tilt of the nuclei
    shape_log: float = 0.05
    shape_degrees: float = 3
    height_mm: Range = (26, 30)  # of the striatum along the body's axis
    eight_bit_probability: float = 0  # how often stored in eight bits, brightest 80 to 255, as in a PNG


STUDY = Imaging()

# Wide enough that a real scanner is one more draw: domain randomisation (Tobin et al., IROS 2017; for
# medical images Billot et al., *Med Image Anal* 2023; 86:102789). Later smoothing of every width: there is no
# resolution between sharp and 25 mm more that a network has to guess at.
RANDOMISED = Imaging(
    fwhm_mm=(5, 13),
    share_before_noise=(0.4, 0.95),
    counts=(4, 80),
    smooth_probability=0.6,
    smooth_fwhm_mm=(3, 25),
    white=(0.55, 1.0),
    fluid=(0.2, 0.8),
    scalp=(0.0, 0.8),
    scalp_at_mm=(7, 14),
    scalp_width_mm=(2, 5),
    scatter=(0.0, 0.15),
    shading=0.15,
    ratio=(0.7, 1.3),
    gain=(0.3, 3.0),
    rotation_degrees=4,
    shift_mm=3,
    scale=0.04,
    shape_mm=1.5,
    shape_log=0.1,
    shape_degrees=6,
    height_mm=(23, 33),
    eight_bit_probability=0.5,
)


@dataclass(frozen=True)
class Site:
    """What images of one scanner have in common."""

    fwhm_mm: float
    share_before_noise: float
    gain: float


def draw_site(rng: np.random.Generator, imaging: Imaging, fwhm_mm: float | None = None) -> Site:
    """Draw a scanner; `fwhm_mm` fixes its resolution."""
    return Site(
        fwhm_mm=rng.uniform(*imaging.fwhm_mm) if fwhm_mm is None else fwhm_mm,
        share_before_noise=rng.uniform(*imaging.share_before_noise),
        gain=log_uniform(rng, imaging.gain),
    )


@dataclass(frozen=True)
class Resolution:
    """Blur in mm FWHM before photons are counted, and after, by filters."""

    before_mm: float
    after_mm: float


def draw_resolution(rng: np.random.Generator, imaging: Imaging, site: Site) -> Resolution:
    """Divide the site's blur about the noise, and smooth once more where that is drawn."""
    after = site.fwhm_mm * np.sqrt(1 - site.share_before_noise)
    if rng.random() < imaging.smooth_probability:
        after = np.hypot(after, rng.uniform(*imaging.smooth_fwhm_mm))
    return Resolution(site.fwhm_mm * float(np.sqrt(site.share_before_noise)), float(after))


def axial_recovery(resolution: Resolution, height_mm: float, slab_mm: float = 12.0) -> float:
    """Share of the striatal uptake left in the mean of the central slices after the blur along the axis."""
    sd = np.hypot(resolution.before_mm, resolution.after_mm) * FWHM_TO_SD
    z = (np.arange(6) - 2.5) * slab_mm / 6
    above, below = (special.ndtr((edge - z) / sd) for edge in (height_mm / 2, -height_mm / 2))
    return float(np.mean(above - below))


def log_uniform(rng: np.random.Generator, limits: Range) -> float:
    """Draw between `limits` so that its logarithm is uniform."""
    return float(np.exp(rng.uniform(np.log(limits[0]), np.log(limits[1]))))


def blur(image: np.ndarray, fwhm_mm: float) -> np.ndarray:
    """Gaussian blur; the image is continued by its edge."""
    sd = fwhm_mm * FWHM_TO_SD / SPACING_MM
    return ndimage.gaussian_filter(image, sd, mode="nearest", truncate=3.5)


def background(rng: np.random.Generator, imaging: Imaging, tissue: Tissue) -> np.ndarray:
    """Non-specific uptake of the brain, `[109, 91]`; 1 where grey and white matter mix evenly."""
    white, fluid = rng.uniform(*imaging.white), rng.uniform(*imaging.fluid)
    return (tissue.grey + white * tissue.white + fluid * tissue.fluid) * (2 / (1 + white))


def scalp(rng: np.random.Generator, imaging: Imaging, outside_mm: np.ndarray) -> np.ndarray:
    """Uptake of the scalp around the brain, weaker than the brain and uneven around it."""
    uptake, at = rng.uniform(*imaging.scalp), rng.uniform(*imaging.scalp_at_mm)
    width = rng.uniform(*imaging.scalp_width_mm)
    return uptake * np.exp(-0.5 * ((outside_mm - at) / width) ** 2)


def shading(rng: np.random.Generator, imaging: Imaging) -> np.ndarray:
    """Smooth factor over the field of view, `[109, 91]`, as attenuation correction leaves it."""
    across, along, deep = rng.uniform(-imaging.shading, imaging.shading, size=3)
    x, y = X_MM[None, :] / 80, (Y_MM[:, None] + 17) / 95
    return np.maximum(1 + across * x + along * y + deep * (x**2 + y**2 - 0.5), 0.2)


def acquire(
    rng: np.random.Generator, imaging: Imaging, resolution: Resolution, gain: float, activity: np.ndarray
) -> np.ndarray:
    """Image of an activity (1 in background tissue), `[109, 91]` float32, in counts times the gain."""
    counts = log_uniform(rng, imaging.counts)
    image = rng.poisson(counts * blur(activity.astype(np.float32), resolution.before_mm)).astype(np.float32)
    image = blur(image, resolution.after_mm) * np.float32(gain)
    if rng.random() < imaging.eight_bit_probability:
        image = np.round(image * (rng.uniform(80, 255) / max(float(image.max()), 1e-6)))
    return image.astype(np.float32)
