"""A high-grade glioma on T1 after contrast: necrotic core, enhancing rim, oedema, mass effect.

Sources
-------
Appearance, and the share with an enhancing ring: Smirniotopoulos et al., "Patterns of contrast enhancement in
the brain and meninges", RadioGraphics 27(2), 2007; Menze et al., "The multimodal brain tumor image
segmentation benchmark (BRATS)", IEEE TMI 34(10), 2015, section III-B (core, rim and oedema as the tissue
classes). Mass effect as a radial displacement that decays with distance: Mohamed et al., "Deformable
registration of brain tumor images via a statistical model of tumor-induced deformation", Medical Image
Analysis 10(5), 2006; generating tumours into healthy atlases: Prastawa, Bullitt, Gerig, "Simulation of brain
tumors in MR images", Medical Image Analysis 13(2), 2009.
"""

from dataclasses import dataclass

import numpy as np

from bench.data.generators.mri_anatomy import GRID_SHAPE, GRID_VOXEL_MM, Pose, axes_mm, sample
from bench.data.generators.mri_templates import TEMPLATE_VOXEL_MM, Templates
from bench.data.generators.smooth import knots_for, smooth_field

DIAMETER_MM = (22.0, 45.0)
ENHANCING_SHARE = 0.75
HEIGHTS = (4.0, 96.0)  # percentiles of the brain's volume between which the centre lies
SMALLEST_DEPTH_MM = 14.0  # of the centre below the brain's surface, so that most of the tumour lies inside
SOFTNESS_MM = 0.8
REACH_RADII = 3.0  # of the mass effect


@dataclass(frozen=True)
class Tumour:
    """One tumour: intensities relative to white matter, positions in mm on the subject grid (z, y, x)."""

    centre_mm: np.ndarray
    radius_mm: float
    shape: np.ndarray  # 3x3, maps offsets from the centre to a sphere of radius `radius_mm`
    core: float
    rim: float | None
    rim_mm: float
    oedema: float
    oedema_mm: float
    push_mm: float


def random_tumour(templates: Templates, pose: Pose, rng: np.random.Generator) -> Tumour:
    """Draw a tumour anywhere in the brain: every height is as likely as every other.

    Drawing uniformly by volume would put most tumours across the middle slice and favour a network that
    sees that slice alone.
    """
    places = np.argwhere(templates.depth_mm >= SMALLEST_DEPTH_MM)
    lowest, highest = np.percentile(places[:, 0], HEIGHTS).astype(int)
    height = rng.integers(lowest, highest + 1)
    places = places[places[:, 0] == height]
    voxel = places[rng.integers(len(places))] + rng.uniform(-0.5, 0.5, 3)
    enhancing = rng.random() < ENHANCING_SHARE
    core = rng.uniform(0.30, 0.42) if enhancing else rng.uniform(0.42, 0.55)
    rotation = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    stretch = rng.uniform(0.8, 1.25, 3)
    radius_mm = rng.uniform(*DIAMETER_MM) / 2.0
    mni_mm = templates.origin_mm + TEMPLATE_VOXEL_MM * voxel
    return Tumour(
        centre_mm=np.linalg.solve(pose.matrix, mni_mm - pose.offset),
        radius_mm=radius_mm,
        shape=np.diag(stretch / np.prod(stretch) ** (1 / 3)) @ rotation,
        core=core,
        rim=rng.uniform(1.3, 1.5) if enhancing else None,
        rim_mm=rng.uniform(2.0, 4.5),
        oedema=rng.uniform(0.45, 0.60),
        oedema_mm=rng.uniform(4.0, 12.0),
        push_mm=rng.uniform(0.15, 0.35) * radius_mm,
    )


def push_aside(displacement: np.ndarray, tumour: Tumour) -> None:
    """Add the mass effect to `displacement` (mm, `[3, z, y, x]`), in place.

    Tissue at distance r moves outwards by `push_mm` at the border of the tumour, falling off beyond it, so a
    voxel looks for its tissue that much nearer to the centre.
    """
    box, offset = _box(tumour, REACH_RADII * tumour.radius_mm)
    distance = np.maximum(np.sqrt(np.sum(offset**2, axis=0)), 1e-3)
    relative = distance / tumour.radius_mm
    # The largest value of r exp((1 - r^2) / 2) is 1, at r = 1: the border of the tumour. The last factor lets
    # the displacement end at the box without a step.
    amount = tumour.push_mm * relative * np.exp((1.0 - relative**2) / 2.0)
    amount *= np.clip(1.0 - (relative / REACH_RADII) ** 4, 0.0, None)
    displacement[(slice(None), *box)] -= (amount / distance) * offset


def paint(
    brain: np.ndarray, tumour: Tumour, templates: Templates, coordinates: np.ndarray, rng: np.random.Generator
) -> None:
    """Paint `tumour` into `brain` (float32 `[z, y, x]`, white matter near 1), in place.

    `coordinates` are those that `brain` was sampled at; they tell where white matter and the brain's border
    are.
    """
    box, offset = _box(tumour, 1.7 * tumour.radius_mm + tumour.oedema_mm)
    inside = sample(templates.brain, coordinates[(slice(None), *box)])
    white = sample(templates.white, coordinates[(slice(None), *box)])
    shape = inside.shape
    outline, hollow, reach, texture = (
        smooth_field(rng, shape, knots_for(shape, GRID_VOXEL_MM, spacing))
        for spacing in (11.0, 9.0, 12.0, 7.0)
    )
    distance = np.sqrt(np.sum(np.tensordot(tumour.shape.astype(np.float32), offset, axes=1) ** 2, axis=0))
    depth_mm = tumour.radius_mm * (1.0 + 0.16 * outline) - distance  # below the tumour's own surface

    # Vasogenic oedema follows white matter and spares the cortex.
    wet = _soft(depth_mm + tumour.oedema_mm * (1.0 + 0.35 * reach)) * inside * (0.3 + 0.7 * white)
    solid = _soft(depth_mm) * inside
    patch = brain[box]
    patch += wet * (tumour.oedema - patch)
    core = tumour.core * (1.0 + 0.06 * texture)
    if tumour.rim is None:
        patch += solid * (core - patch)
    else:
        necrosis = _soft(depth_mm - tumour.rim_mm * np.clip(1.0 + 0.5 * hollow, 0.3, None))
        patch += solid * (tumour.rim * (1.0 + 0.04 * texture) - patch)
        patch += necrosis * inside * (core - patch)


def _soft(depth_mm: np.ndarray) -> np.ndarray:
    """1 inside, 0 outside, with a border of about a millimetre: partial volume and infiltration."""
    return 1.0 / (1.0 + np.exp(np.clip(-depth_mm / SOFTNESS_MM, -30.0, 30.0)))


def _box(tumour: Tumour, reach_mm: float) -> tuple[tuple[slice, ...], np.ndarray]:
    """The part of the grid within `reach_mm` of the centre, and its offsets from it in mm, `[3, z, y, x]`."""
    around = list(zip(axes_mm(), tumour.centre_mm, strict=True))
    slices = [
        slice(*np.searchsorted(axis, (middle - reach_mm, middle + reach_mm)).tolist())
        for axis, middle in around
    ]
    offsets = [axis[part] - np.float32(middle) for (axis, middle), part in zip(around, slices, strict=True)]
    assert all(0 <= s.start < s.stop <= n for s, n in zip(slices, GRID_SHAPE, strict=True))
    return tuple(slices), np.stack(np.meshgrid(*offsets, indexing="ij"))
