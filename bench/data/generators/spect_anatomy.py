"""Where tracer goes in the head: the tissue of the MNI152 templates and the shape of the striatum."""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from bench.data.generators.mri_templates import read_templates
from bench.data.generators.spect_physiology import Uptake
from bench.data.preprocess.spect_grid import COLUMNS, ROWS, SPACING_MM, X_MM, Y_MM, column_of, row_of

SLAB_MM = (-4, 12)  # heights of the striatum over which slices are averaged, MNI152


class Tissue(NamedTuple):
    """Fractions of grey and white matter and fluid in each pixel, and its distance to the brain, 0 inside it."""

    grey: np.ndarray
    white: np.ndarray
    fluid: np.ndarray
    outside_mm: np.ndarray


def tissue_of(brain: np.ndarray, grey: np.ndarray, white: np.ndarray) -> Tissue:
    """Tissue of planes `[n, 109, 91]` that are cut out of the templates."""
    inside = np.stack([ndimage.binary_fill_holes(plane > 0.3) for plane in brain])
    grey, white = grey * inside, white * inside
    fluid = np.clip(inside - grey - white, 0, 1)
    return Tissue(grey, white, fluid, ndimage.distance_transform_edt(~inside, sampling=SPACING_MM))


@lru_cache(maxsize=1)
def tissue() -> Tissue:
    """Mean of the template's slices through the striatum, each `[109, 91]` float32."""
    found = tissue_of(*(_slab(image)[None] for image in read_templates(1)))
    return Tissue(*(np.ascontiguousarray(part[0], np.float32) for part in found))


def _slab(image) -> np.ndarray:
    """Mean over the slab of a 1 mm template, as `[109, 91]` in the task's grid."""
    x, y, z = (int(-offset) for offset in image.affine[:3, 3])  # voxel of the origin
    volume = np.asarray(image.dataobj, dtype=np.float32)
    plane = volume[:, :, z + SLAB_MM[0] : z + SLAB_MM[1] + 1].mean(axis=-1)
    plane = ndimage.uniform_filter(plane, size=2)
    return plane[np.ix_(x + X_MM.astype(int), y + Y_MM.astype(int))].T


@dataclass(frozen=True)
class Pose:
    """How a head lies in the image: head coordinates to image coordinates."""

    rotation: float  # in the plane, radians
    shift_mm: np.ndarray  # `[2]`, right and anterior
    scale: np.ndarray  # `[2]`, across and along the head

    def to_head(self) -> np.ndarray:
        """Matrix `[2, 2]` that takes image millimetres (after the shift) to head millimetres (x, y)."""
        cos, sin = np.cos(self.rotation), np.sin(self.rotation)
        return np.array([[cos, sin], [-sin, cos]]) / self.scale[:, None]

    def warp(self, image: np.ndarray, outside: float) -> np.ndarray:
        """Move an `[109, 91]` image in head coordinates to where the head lies (linear interpolation)."""
        matrix = self.to_head()
        # Rows run against y and columns against x: exchange the axes, the signs cancel.
        rows = matrix[::-1, ::-1]
        origin = np.array([row_of(0.0), column_of(0.0)])
        moved = origin - np.asarray(self.shift_mm)[::-1] / SPACING_MM
        return ndimage.affine_transform(image, rows, origin - rows @ moved, order=1, cval=outside)


@dataclass(frozen=True)
class Nucleus:
    """An ellipse in the plane of the striatum, on the right side of the head, in mm and degrees.

    `tilt` turns the long axis, from straight ahead, towards the side as it goes forward.
    """

    x: float
    y: float
    long: float
    short: float
    tilt: float


# Centres and semi-axes fit the MNI152 grey matter between z = -4 and 12 mm, tilts are its principal axes:
# the caudate's head opens to the front along the ventricles, the putamen to the back along the insula.
CAUDATE = Nucleus(12.5, 12, 9, 5.5, 20)
PUTAMEN = Nucleus(25, 2, 15, 5, -17)
BRIDGE = Nucleus(18.5, 11.5, 6, 3.5, -60)  # accumbens and the cell bridges through the capsule's front
BRIDGE_UPTAKE = 0.7
WINDOW = (slice(int(row_of(44)), int(row_of(-36))), slice(int(column_of(52)), int(column_of(-52)) + 1))


def striatum(uptake: Uptake, pose: Pose, shape: np.ndarray) -> np.ndarray:
    """Specific binding of both striata, `[109, 91]`, in units of the reference tissue.

    `shape` `[3, 2, 5]` is the individual anatomy: what is added to the centre (mm), the logarithm of the semi-axes
    and the tilt (degrees) of caudate, putamen and bridge on the left and the right.
    """
    to_head = pose.to_head()
    x = X_MM[None, WINDOW[1]] - pose.shift_mm[0]
    y = Y_MM[WINDOW[0], None] - pose.shift_mm[1]
    head_x = to_head[0, 0] * x + to_head[0, 1] * y
    head_y = to_head[1, 0] * x + to_head[1, 1] * y
    specific = np.zeros(head_x.shape)
    for side, sign in enumerate((-1, 1)):
        caudate, _ = _inside(CAUDATE, sign * head_x, head_y, shape[0, side])
        putamen, along = _inside(PUTAMEN, sign * head_x, head_y, shape[1, side])
        bridge, _ = _inside(BRIDGE, sign * head_x, head_y, shape[2, side])
        front = uptake.putamen_at(side, np.array(-0.8))
        between = BRIDGE_UPTAKE * (uptake.caudate[side] + front) / 2
        np.maximum(specific, caudate * uptake.caudate[side], out=specific)
        np.maximum(specific, bridge * between, out=specific)
        np.maximum(specific, putamen * uptake.putamen_at(side, along), out=specific)
    image = np.zeros((ROWS, COLUMNS), np.float32)
    image[WINDOW] = specific
    return image


def _inside(
    nucleus: Nucleus, x: np.ndarray, y: np.ndarray, change: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Fraction of each pixel inside the ellipse, and position along it from front (-1) to back (+1)."""
    angle = np.deg2rad(nucleus.tilt + change[4])
    dx, dy = x - nucleus.x - change[0], y - nucleus.y - change[1]
    long, short = nucleus.long * np.exp(change[2]), nucleus.short * np.exp(change[3])
    forward = (np.sin(angle) * dx + np.cos(angle) * dy) / long
    across = (np.cos(angle) * dx - np.sin(angle) * dy) / short
    radius = np.sqrt(forward**2 + across**2)
    # A pixel on the edge is inside by the share that the edge, about straight there, leaves it.
    fraction = np.clip((1 - radius) * short / SPACING_MM + 0.5, 0, 1)
    return fraction, np.clip(-forward, -1, 1)
