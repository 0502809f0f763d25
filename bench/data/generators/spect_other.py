"""A second recipe for generated DaT SPECT images, for honest tests of transfer (`builtin:recipe=2`).

A network that was trained on images of one recipe and tested on more of them is tested on what it has seen. Of the
first recipe, this one keeps the grid, the scale of severity, and outline and tissue of the brains, from the same
templates. All else has a model and constants of its own:

- Anatomy: in three dimensions, from the MNI152 templates of grey and white matter (Fonov et al., *NeuroImage* 2011;
  54:313) themselves. Caudate and putamen are the template's grey matter, no ellipses; heads differ by smooth
  deformations; the thalamus takes some tracer up too (by serotonin transporters: Booij et al., *J Nucl Med* 2007;
  48:359).
- Physiology: the loss is a wave that runs from the posterior putamen over its front to the caudate (the order of
  Kish et al., *N Engl J Med* 1988; 318:876) and reaches the other side later, instead of a table of stages.
- Blur: another width across than along the head, with tails from scatter and septal penetration, and a Butterworth
  filter. It mixes the slices above and below in, background included. What is smoothed later is so in three
  dimensions, by a Gaussian.
- Noise: log-normal, as ordered-subset reconstruction leaves it (Barrett, Wilson and Tsui, *Phys Med Biol* 1994;
  39:833), and less of it the more slices are averaged.
- Scaling: units of the background, or eight bits of a display window with a lower cut.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import ndimage, special

from bench.data.generators.mri_templates import read_templates
from bench.data.generators.smooth import smooth_field
from bench.data.generators.spect_anatomy import tissue_of
from bench.data.generators.spect_imaging import FWHM_TO_SD, Range, blur, log_uniform
from bench.data.preprocess.spect_grid import COLUMNS, ROWS, SPACING_MM, X_MM, Y_MM

# of these heights something reaches the averaged slices
Z_MM: np.ndarray = np.arange(-40.0, 50.0, SPACING_MM)
SLAB_MM = (-5.0, 13.0)
# Centre (right, front, up) and semi-axes (long, across, up) in mm, tilt of the long axis to the side in degrees.
# Generous: the grey matter within is the nucleus.
CAUDATE = ((12.0, 10.0, 8.0), (19.0, 8.0, 16.0), 12.0)
PUTAMEN = ((25.5, 2.0, 2.0), (21.0, 8.0, 14.0), -17.0)
THALAMUS = ((10.0, -18.0, 8.0), (14.0, 9.0, 12.0), 0.0)
TISSUES = ("grey", "white", "fluid", "scalp", "thalamus")
PUTAMEN_PARTS_MM = np.array([-10.0, 2.0, 14.0])  # y of posterior, middle and anterior putamen

HEALTHY_CAUDATE, HEALTHY_PUTAMEN = 4.8, 4.2
SUBJECT_SD, REGION_SD, DECLINE_PER_DECADE, AGE_SD_DECADES = 0.19, 0.08, 0.07, 1.1
PLACE = np.array([0.0, 0.33, 0.67, 1.05])  # how late the wave comes: posterior to anterior putamen, caudate
ONSET, SPEED, DELAY, LAG, LAG_SD, GREATEST_LOSS = 0.17, 1.1, 2.0, 0.5, 0.35, 0.97


@dataclass(frozen=True)
class OtherImaging:
    """Ranges from which scanner (per site) and acquisition (per image) are drawn, uniformly."""

    across_mm: Range = (5.5, 9.0)  # FWHM across and along the head; their mean holds along the body's axis
    along_mm: Range = (5.5, 9.0)
    tail: Range = (0.03, 0.2)  # share of the image in tails three times as wide
    cutoff: Range = (0.5, 0.9)  # of the Butterworth filter, in cycles a centimetre, and its order
    order: Range = (3.0, 8.0)
    noise: Range = (0.12, 0.4)  # relative standard deviation of a pixel before the filter, log-uniform
    smooth_probability: float = 0.0  # how often an image is smoothed later, and by how much
    smooth_fwhm_mm: Range = (15.0, 21.0)
    white: Range = (0.6, 0.9)  # uptake relative to grey matter (of the thalamus, above it)
    fluid: Range = (0.15, 0.5)
    scalp: Range = (0.1, 0.5)
    thalamus: Range = (0.0, 0.35)
    deformation_mm: float = 1.5  # standard deviation of the smooth displacement of each point
    scale: float = 0.035  # standard deviations of the head's pose; `height_mm` along the body
    shift_mm: float = 2.0
    rotation_degrees: float = 2.5
    height_mm: float = 2.5
    eight_bit_probability: float = 0.6  # how often values are cut off below and stored in eight bits

    @property
    def fwhm_mm(self) -> Range:
        """Resolution before the filter, at best and at worst."""
        return min(self.across_mm[0], self.along_mm[0]), max(self.across_mm[1], self.along_mm[1])


@lru_cache(maxsize=1)
def _maps() -> np.ndarray:
    """Fractions of each voxel, `[45, 13, 109, 91]`: `TISSUES`, then for right and left three parts of the putamen
    from back to front and the caudate.
    """
    grey, white, fluid, outside = tissue_of(*(_volume(image) for image in read_templates(1)))
    scalp = np.exp(-0.5 * ((outside - 10) / 2.5) ** 2)
    position = (Y_MM[:, None] - PUTAMEN_PARTS_MM[0]) / (PUTAMEN_PARTS_MM[1] - PUTAMEN_PARTS_MM[0])
    hats = [np.clip(1 - np.abs(np.clip(position, 0, 2) - part), 0, 1) for part in range(3)]
    nuclei = []
    for side in (1, -1):
        putamen, caudate = _within(PUTAMEN, side) * grey, _within(CAUDATE, side) * grey
        putamen = putamen * (caudate == 0)
        nuclei += [*(putamen * hat for hat in hats), caudate]
    thalamus = np.maximum(_within(THALAMUS, 1), _within(THALAMUS, -1)) * grey
    return np.stack([grey, white, fluid, scalp, thalamus, *nuclei], axis=1).astype(np.float32)


def _volume(image) -> np.ndarray:
    """A 1 mm template in the task's grid, float32 `[45, 109, 91]`."""
    x, y, z = (
        (axis - offset).astype(int)
        for axis, offset in zip((X_MM, Y_MM, Z_MM), image.affine[:3, 3], strict=True)
    )
    return np.asarray(image.dataobj, np.float32)[np.ix_(x, y, z)].transpose(2, 1, 0)


def _within(nucleus: tuple, side: int) -> np.ndarray:
    """1 inside a tilted ellipsoid on the right (`side` 1) or left, `[45, 109, 91]`."""
    (x0, y0, z0), (long, across, up), tilt = nucleus
    angle = np.deg2rad(tilt)
    dx, dy, dz = side * X_MM - x0, Y_MM[:, None] - y0, Z_MM[:, None, None] - z0
    forward, sideways = np.sin(angle) * dx + np.cos(angle) * dy, np.cos(angle) * dx - np.sin(angle) * dy
    return ((forward / long) ** 2 + (sideways / across) ** 2 + (dz / up) ** 2 <= 1).astype(np.float32)


def binding(rng: np.random.Generator, severity: float) -> np.ndarray:
    """Draw a subject's true binding ratios, `[2, 4]`: right and left; posterior to anterior putamen, caudate."""
    level = (
        SUBJECT_SD * rng.standard_normal()
        + np.log1p(-DECLINE_PER_DECADE) * AGE_SD_DECADES * rng.standard_normal()
    )
    healthy = np.array([HEALTHY_PUTAMEN] * 3 + [HEALTHY_CAUDATE])
    regions = REGION_SD * rng.standard_normal((2, 2))[:, [0, 0, 0, 1]]
    later = np.array([0.0, max(LAG + LAG_SD * rng.standard_normal(), 0.0)])[rng.permutation(2)]
    loss = GREATEST_LOSS * special.expit(ONSET + SPEED * (severity - later)[:, None] - DELAY * PLACE)
    return healthy * np.exp(level + regions) * (1 - loss * (severity > 0))


def draw_scanner(rng: np.random.Generator, imaging: OtherImaging) -> dict[str, float]:
    """Draw what images of one scanner have in common."""
    names = ("across_mm", "along_mm", "tail", "cutoff", "order")
    return {
        **{name: rng.uniform(*getattr(imaging, name)) for name in names},
        "noise": log_uniform(rng, imaging.noise),
    }


def image(
    rng: np.random.Generator, imaging: OtherImaging, scanner: dict[str, float], severity: float
) -> np.ndarray:
    """One subject's image, `[109, 91]` float32, with the binding that belongs to a severity (0: normal)."""
    later_mm = rng.uniform(*imaging.smooth_fwhm_mm) if rng.random() < imaging.smooth_probability else 0.0
    core_mm = (scanner["across_mm"] + scanner["along_mm"]) / 2
    height = imaging.height_mm * rng.standard_normal()
    sharp, smooth = _slab(core_mm, height), _slab(float(np.hypot(core_mm, later_mm)), height)
    uptake = np.array([rng.uniform(*getattr(imaging, name)) for name in TISSUES[1:]])
    specific = binding(rng, severity).ravel()
    planes = np.tensordot(smooth.astype(np.float32), _maps(), axes=1)
    activity = np.tensordot(np.concatenate([[1.0], uptake, specific]), planes, axes=1)
    activity = _deform(rng, imaging, activity)
    core = _gauss(activity, scanner["along_mm"], scanner["across_mm"])
    tails = _gauss(activity, 3 * scanner["along_mm"], 3 * scanner["across_mm"])
    clean = (1 - scanner["tail"]) * core + scanner["tail"] * tails
    relative = scanner["noise"] * np.sqrt((smooth**2).sum() / (sharp**2).sum())
    noisy = clean * np.exp(relative * rng.standard_normal(clean.shape) - relative**2 / 2)
    picture = np.maximum(blur(_butterworth(noisy, scanner["cutoff"], scanner["order"]), later_mm), 0)
    if rng.random() < imaging.eight_bit_probability:
        top = picture.max() * rng.uniform(1.0, 1.3)  # of the whole volume
        low = rng.uniform(0, 0.08) * top
        picture = np.round(np.clip((picture - low) / (top - low), 0, 1) * 255)
    return picture.astype(np.float32)


def _slab(fwhm_mm: float, shift_mm: float) -> np.ndarray:
    """Weight of each height in the mean of the slices after a blur along the axis, `[45]`, summing to 1."""
    sd = fwhm_mm * FWHM_TO_SD
    low, high = SLAB_MM
    weights = special.ndtr((high + shift_mm - Z_MM) / sd) - special.ndtr((low + shift_mm - Z_MM) / sd)
    return weights / weights.sum()


def _deform(rng: np.random.Generator, imaging: OtherImaging, plane: np.ndarray) -> np.ndarray:
    """Move a plane as the head lies, and as heads differ."""
    angle = np.deg2rad(imaging.rotation_degrees * rng.standard_normal())
    scale = np.exp(imaging.scale * rng.standard_normal(2))[:, None, None]
    shift = imaging.shift_mm / SPACING_MM * rng.standard_normal(2)
    field = np.stack([smooth_field(rng, (ROWS, COLUMNS), (9, 8)) for _ in range(2)])
    middle = np.array([(ROWS - 1) / 2, (COLUMNS - 1) / 2])[:, None, None]
    rows, columns = (np.indices((ROWS, COLUMNS)) - middle) / scale
    turned = np.stack(
        [np.cos(angle) * rows - np.sin(angle) * columns, np.sin(angle) * rows + np.cos(angle) * columns]
    )
    points = turned + middle + shift[:, None, None] + imaging.deformation_mm / SPACING_MM * field
    return ndimage.map_coordinates(plane, points, order=1, mode="nearest")


def _gauss(plane: np.ndarray, rows_mm: float, columns_mm: float) -> np.ndarray:
    return ndimage.gaussian_filter(
        plane, np.array([rows_mm, columns_mm]) * FWHM_TO_SD / SPACING_MM, mode="nearest"
    )


def _butterworth(plane: np.ndarray, cutoff: float, order: float) -> np.ndarray:
    """Low-pass filter; `cutoff` in cycles a centimetre."""
    padded = np.pad(plane, 12, mode="edge")
    rows, columns = (np.fft.fftfreq(size, SPACING_MM / 10) for size in padded.shape)
    radius = np.hypot(rows[:, None], columns[None, : padded.shape[1] // 2 + 1])
    gain = 1 / np.sqrt(1 + (radius / cutoff) ** (2 * order))
    return np.fft.irfft2(np.fft.rfft2(padded) * gain, padded.shape)[12:-12, 12:-12]
