"""Builtin data of the `spect` task: generated DaT SPECT images of normal subjects and of patients.

One transaxial image a subject: the mean of the slices through the striatum, `[109, 91, 1]` at 2 mm (see
`bench.data.preprocess.spect_grid` for the axes), in counts times a scanner's gain. The physiology is in
`spect_physiology`, the anatomy in `spect_anatomy`, the camera in `spect_imaging`, each with its sources.

A second recipe, with which no network is pretrained, is in `spect_other`.

Two kinds: a `study` (eight hospitals, three or four stages) as the task's data, and `randomised` images
for pretraining. An image depends on the seed and its index alone: a larger set extends a smaller one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.data.dataset import Dataset, fingerprint
from bench.data.generators import spect_anatomy, spect_imaging, spect_other, spect_physiology
from bench.data.generators.spect_imaging import Imaging
from bench.data.generators.spect_other import OtherImaging
from bench.data.generators.streams import stream
from bench.data.preprocess.spect_grid import COLUMNS, ROWS

# What random numbers are for, so that no stream is used twice.
SITES, LABELS, IMAGES = 0, 1, 2
OTHER_SITES, OTHER_IMAGES = 10, 12
# The spread of severity within a stage, where stages are one unit apart. Chosen, not published: with 240
# training subjects, binding ratios and an SVM reach a balanced accuracy of about 0.79 on fresh subjects.
SEVERITY_SD = 0.2
N_SITES = 8


@dataclass(frozen=True)
class SpectSettings:
    """What to generate."""

    name: str  # of the dataset
    classes: tuple[str, ...]  # names, in the order of the labels
    # of each class, lowest and highest severity (0 normal, 1 early, 2 middle, 3 late); see `severity_shape`
    severity: tuple[tuple[float, float], ...]
    block: tuple[int, ...]  # labels of each run of consecutive subjects, shuffled: the shares of the classes
    imaging: Imaging | OtherImaging  # what lies between the subject and the image; its kind is the recipe
    n_sites: int = 0  # scanners, their resolutions evenly spaced over the range; 0 gives every image its own
    severity_sd: float = 0.0  # spread added to severity
    severity_shape: float = 1.0  # second parameter of a Beta(1, shape) between lowest and highest severity
    purpose: str = "study"  # what the images are for; see `bench.data.generators.streams`


def study(*, normal: bool = False, smooth_share: float = 0.0, recipe: int = 1) -> SpectSettings:
    """Settings of the task's own data: early, middle and late stages as 60/25/15%.

    `normal` adds normal subjects as the first class, 30% of all; `smooth_share` of the images are smoothed by 15 to
    21 mm more; `recipe` is 1, or 2 for that of `spect_other`.
    """
    imaging = replace(spect_imaging.STUDY if recipe == 1 else OtherImaging(), smooth_probability=smooth_share)
    classes: tuple[str, ...] = ("early", "middle", "late")
    severity: tuple[tuple[float, float], ...] = ((1, 1), (2, 2), (3, 3))
    block: tuple[int, ...] = (0,) * 12 + (1,) * 5 + (2,) * 3
    if normal:
        classes, severity = ("normal", *classes), ((0, 0), *severity)
        block = (0,) * 12 + (1,) * 17 + (2,) * 7 + (3,) * 4
    return SpectSettings("spect-builtin", classes, severity, block, imaging, N_SITES, SEVERITY_SD)


def randomised(classes: Sequence[str] = ("normal", "patient")) -> SpectSettings:
    """Settings for pretraining: strong domain randomisation, classes balanced.

    `classes` are names out of normal, patient (any severity), early, middle and late.
    """
    severities: dict[str, tuple[float, float]] = {"normal": (0, 0), "patient": (0.6, 3.3)}
    severities |= {"early": (0.6, 1.5), "middle": (1.5, 2.5), "late": (2.5, 3.5)}
    unknown = sorted(set(classes) - set(severities))
    if unknown:
        raise ValueError(f"classes {unknown} unknown, expected some of {', '.join(severities)}")
    shape = 1.8 if "patient" in classes else 1.0  # most patients are imaged at their diagnosis
    chosen = tuple(severities[name] for name in classes)
    block, imaging = tuple(range(len(classes))) * 2, spect_imaging.RANDOMISED
    return SpectSettings(
        "spect-phantom", tuple(classes), chosen, block, imaging, severity_shape=shape, purpose="pretraining"
    )


def generate(settings: SpectSettings, n: int = 240, seed: int = 0, start: int = 0) -> Dataset:
    """Generate subjects `start` to `start + n` of the endless cohort of a seed, one image each.

    Another range of one seed is fresh subjects of the same sites.

    Returns a dataset of `[n, 109, 91, 1]` float32, marked as a stand-in.
    """
    x = np.empty((n, ROWS, COLUMNS, 1), np.float32)
    y = labels(settings, n, seed, start)
    sites = np.empty(n, dtype="<U8")
    for row in range(n):
        x[row, ..., 0], site = image(settings, int(y[row]), seed, start + row)
        sites[row] = f"site-{site + 1}" if settings.n_sites else ""
    subjects = np.array([f"{seed}-{start + row:06d}" for row in range(n)])
    shares = ", ".join(f"{name} {int((y == label).sum())}" for label, name in enumerate(settings.classes))
    return Dataset(
        name=settings.name,
        x=x,
        y=y,
        subjects=subjects,
        classes=settings.classes,
        fingerprint=fingerprint(x, y, repr(settings.classes)),
        provenance=(
            f"Generated DaT SPECT images (seed {seed}, subjects {start} to {start + n - 1}), no patients: "
            f"{_chain(settings)}."
        ),
        sites=sites if settings.n_sites else None,
        stand_in=True,
        details={"grid": "109 x 91 pixels of 2 mm, anterior at the top", "subjects": shares},
    )


def _chain(settings: SpectSettings) -> str:
    """Say where uptake and anatomy come from, and how the images were taken."""
    imaging = settings.imaging
    low, high = imaging.fwhm_mm
    text, noise = (
        ("second recipe, uptake lost in a wave, striata and tissue from the MNI152 templates", "log-normal")
        if isinstance(imaging, OtherImaging)
        else (
            "striatal binding ratios after PPMI and ENC-DAT, brain outline and tissue from the MNI152 "
            "templates in nilearn",
            "Poisson",
        )
    )
    text += f", resolution {low:g} to {high:g} mm FWHM"
    if settings.n_sites:
        text += f" over {settings.n_sites} sites"
    if imaging.smooth_probability:
        smooth = f"{imaging.smooth_fwhm_mm[0]:g} to {imaging.smooth_fwhm_mm[1]:g} mm"
        text += f", {imaging.smooth_probability:.0%} of the images smoothed by {smooth} more"
    return f"{text}, {noise} noise"


def labels(settings: SpectSettings, n: int, seed: int, start: int = 0) -> np.ndarray:
    """Classes of subjects `start` to `start + n`, int64: every block holds the shares exactly."""
    size = len(settings.block)
    blocks = range(start // size, -(-(start + n) // size))
    drawn = [stream(settings.purpose, seed, LABELS, block).permutation(settings.block) for block in blocks]
    first = start - size * (start // size)
    return np.concatenate([*drawn, np.empty(0)]).astype(np.int64)[first : first + n]


def image(settings: SpectSettings, label: int, seed: int, index: int) -> tuple[np.ndarray, int]:
    """One subject's image, `[109, 91]` float32, and the number of the site (0 without sites)."""
    imaging, n_sites = settings.imaging, settings.n_sites
    is_other = isinstance(imaging, OtherImaging)
    rng = stream(settings.purpose, seed, OTHER_IMAGES if is_other else IMAGES, index)
    number = int(rng.integers(n_sites)) if n_sites else 0
    # the same site is the same scanner for every subject of a seed; without sites, each has its own
    fixed = stream(settings.purpose, seed, OTHER_SITES if is_other else SITES, number) if n_sites else rng
    if isinstance(imaging, OtherImaging):
        scanner = spect_other.draw_scanner(fixed, imaging)
        return spect_other.image(rng, imaging, scanner, _severity(settings, label, rng)), number
    fwhm_mm = float(np.linspace(*imaging.fwhm_mm, n_sites)[number]) if n_sites else None
    site = spect_imaging.draw_site(fixed, imaging, fwhm_mm)
    uptake = spect_physiology.draw_uptake(rng, _severity(settings, label, rng))
    pose = spect_anatomy.Pose(
        rotation=np.deg2rad(imaging.rotation_degrees) * rng.standard_normal(),
        shift_mm=imaging.shift_mm * rng.standard_normal(2),
        scale=np.exp(imaging.scale * rng.standard_normal(2)),
    )
    spread = [imaging.shape_mm] * 2 + [imaging.shape_log] * 2 + [imaging.shape_degrees]
    shape = rng.standard_normal((3, 2, 5)) * spread
    tissue = spect_anatomy.tissue()
    activity = pose.warp(spect_imaging.background(rng, imaging, tissue), outside=0)
    activity += spect_imaging.scalp(rng, imaging, pose.warp(tissue.outside_mm, outside=99))
    resolution = spect_imaging.draw_resolution(rng, imaging, site)
    recovery = spect_imaging.axial_recovery(resolution, rng.uniform(*imaging.height_mm))
    recovery *= rng.uniform(*imaging.ratio)
    activity += recovery * spect_anatomy.striatum(uptake, pose, shape)
    activity = activity * spect_imaging.shading(rng, imaging) + rng.uniform(*imaging.scatter)
    return spect_imaging.acquire(rng, imaging, resolution, site.gain, activity), number


def _severity(settings: SpectSettings, label: int, rng: np.random.Generator) -> float:
    low, high = settings.severity[label]
    severity = low + (high - low) * rng.beta(1, settings.severity_shape)
    if high > 0:
        severity = max(severity + settings.severity_sd * rng.standard_normal(), 0.0)
    return severity
