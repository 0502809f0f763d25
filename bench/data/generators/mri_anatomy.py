"""A healthy brain of one subject: its tissue contrast, its distractors and its shape.

Sources
-------
Contrast of a T1-weighted image: grey matter 0.75 and fluid 0.32 of white matter in the MNI152 template itself
(least squares on its tissue fractions), much the same in BrainWeb (Collins et al., "Design and construction
of a realistic digital brain phantom", IEEE TMI 17(3), 1998). Size: the spread of adult intracranial volume is
about 10 % (a scale of 0.92 to 1.07 along an axis). Shape: random cubic B-spline deformations, as in Rueckert
et al., "Nonrigid registration using free-form deformations", IEEE TMI 18(8), 1999. Ventricles: volumes vary
several-fold with age (Scahill et al., Archives of Neurology 60(7), 2003), and are often larger on one side.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from bench.data.generators.mri_distractors import BRAIN_CENTRE_MNI, spots, vessels
from bench.data.generators.mri_templates import TEMPLATE_VOXEL_MM, Templates
from bench.data.generators.smooth import knots_for, smooth_field

# The subject's own grid, isotropic, centred on the brain, with room for a large and tilted head.
GRID_SHAPE = (88, 104, 88)
GRID_VOXEL_MM = 2.0

# z, y, x from the brain's centre, left and right
VENTRICLE_CENTRES_MM = ((13.0, 7.0, -15.0), (13.0, 7.0, 15.0))
VENTRICLE_REACH_MM = (18.0, 34.0, 15.0)


def axes_mm() -> list[np.ndarray]:
    """Coordinates of the subject grid's voxels along z, y and x, in mm from its centre."""
    return [((np.arange(n) - (n - 1) / 2.0) * GRID_VOXEL_MM).astype(np.float32) for n in GRID_SHAPE]


def contrast_template(templates: Templates, rng: np.random.Generator) -> np.ndarray:
    """T1 intensity of the average brain in this subject's contrast, with its distractors.

    Returns float32 `[z, y, x]` on the templates' grid; white matter is near 1, background 0.
    """
    fluid = rng.uniform(0.22, 0.32)
    grey = rng.uniform(0.70, 0.80)
    folds = smooth_field(rng, templates.shape, knots_for(templates.shape, TEMPLATE_VOXEL_MM, 7.0))
    texture = smooth_field(rng, templates.shape, knots_for(templates.shape, TEMPLATE_VOXEL_MM, 12.0))
    # Folds differ from person to person: fluid opens at random places of the cortex.
    cortex = templates.grey * np.clip(folds, 0.0, None) * np.exp(-templates.depth_mm / 18.0)
    brain = (
        templates.white * (1.0 + 0.015 * texture)
        + templates.grey * grey * (1.0 + 0.03 * texture)
        + templates.fluid * fluid
        + templates.residual * rng.uniform(0.8, 1.3)
        - cortex * rng.uniform(0.04, 0.14)
    )
    brain *= 1.0 - spots(templates, rng)
    return np.maximum(np.maximum(brain, vessels(templates, rng)), 0.0)


@dataclass(frozen=True)
class Pose:
    """Affine part of a subject's shape: `mni = matrix @ subject + offset`, in mm, axes z, y, x."""

    matrix: np.ndarray
    offset: np.ndarray


def random_pose(rng: np.random.Generator) -> Pose:
    """Tilt of a few degrees about each axis, scale of 0.92 to 1.07 along each, shift of a few mm."""
    yaw, roll, pitch = np.deg2rad(rng.normal(0.0, (3.0, 3.0, 6.0)))
    matrix = np.diag(1.0 / rng.uniform(0.92, 1.07, 3))
    for angle, (a, b) in ((yaw, (1, 2)), (roll, (0, 2)), (pitch, (0, 1))):
        rotation = np.eye(3)
        rotation[[a, a, b, b], [a, b, a, b]] = np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)
        matrix = matrix @ rotation
    return Pose(matrix, BRAIN_CENTRE_MNI + rng.normal(0.0, 2.5, 3))


def random_displacement(rng: np.random.Generator) -> np.ndarray:
    """Where each voxel of the subject looks for its tissue, relative to itself: mm, float32 `[3, z, y, x]`.

    Two scales of smooth deformation (lobes and gyri), and ventricles as wide as this subject's.
    """
    field = np.empty((3, *GRID_SHAPE), dtype=np.float32)
    for axis in range(3):
        field[axis] = 2.8 * smooth_field(rng, GRID_SHAPE, knots_for(GRID_SHAPE, GRID_VOXEL_MM, 40.0))
        field[axis] += 1.1 * smooth_field(rng, GRID_SHAPE, knots_for(GRID_SHAPE, GRID_VOXEL_MM, 14.0))
    widening = rng.uniform(0.5, 0.7) if rng.random() < 0.25 else rng.uniform(-0.2, 0.4)
    grid = axes_mm()
    for centre in VENTRICLE_CENTRES_MM:
        along = (axis - middle for axis, middle in zip(grid, centre, strict=True))
        offsets = np.meshgrid(*along, indexing="ij", sparse=True)
        z, y, x = (
            np.exp(-0.5 * (o / reach) ** 2) for o, reach in zip(offsets, VENTRICLE_REACH_MM, strict=True)
        )
        pull = (widening + rng.normal(0, 0.06)) * z * y * x
        for axis, offset in enumerate(offsets):  # looking nearer to the ventricle's centre magnifies it
            field[axis] -= pull * offset
    return field


def template_coordinates(templates: Templates, pose: Pose, displacement: np.ndarray) -> np.ndarray:
    """Template voxel coordinates `[3, z, y, x]` that the subject grid's voxels are taken from, float32."""
    z, y, x = axes_mm()
    matrix = (pose.matrix / TEMPLATE_VOXEL_MM).astype(np.float32)
    start = templates.index(pose.offset).astype(np.float32)
    coordinates = np.tensordot(matrix, displacement, axes=1)
    for axis in range(3):
        coordinates[axis] += (matrix[axis, 0] * z + start[axis])[:, None, None]
        coordinates[axis] += (matrix[axis, 1] * y)[None, :, None] + (matrix[axis, 2] * x)[None, None, :]
    return coordinates


def sample(volume: np.ndarray, coordinates: np.ndarray) -> np.ndarray:
    """Trilinear samples of `volume` at voxel `coordinates` `[3, ...]`, 0 outside; float32."""
    return ndimage.map_coordinates(volume, coordinates, order=1, mode="constant", prefilter=False)
