"""What brightens or darkens a brain without being a tumour: vessels, choroid plexus, white-matter spots.

They are drawn for every subject, whatever its class. Without enhanced vessels the single brightest voxel
would give away a tumour with an enhancing rim; without spots any dark island in white matter would.

Sources
-------
Courses of the vessels, in MNI coordinates: Bernier et al., "The morphology of the human cerebrovascular
system", Human Brain Mapping 39(12), 2018 (a venous and arterial atlas in MNI space), simplified to polylines
by eye. Sinuses, cortical veins and choroid plexus enhance after gadolinium in every patient: Smirniotopoulos
et al., "Patterns of contrast enhancement in the brain and meninges", RadioGraphics 27(2), 2007. White-matter
spots: Wardlaw et al., "Neuroimaging standards for research into small vessel disease" (STRIVE), Lancet
Neurology 12(8), 2013, table 2: hypointense on T1, lacunes of 3 to 15 mm.
"""

import numpy as np
from scipy import ndimage

from bench.data.generators.mri_templates import TEMPLATE_VOXEL_MM, Templates

# Radii in mm, from and to, and polylines in MNI mm (x, y, z) of the right side; x is mirrored for the left.
ENHANCING: dict[str, tuple[tuple[float, float], tuple[tuple[int, int, int], ...]]] = {
    "middle cerebral": ((0.7, 1.7), ((8, 2, -18), (24, 4, -18), (38, 2, -8), (46, -12, 6), (54, -28, 14))),
    "anterior cerebral": ((0.7, 1.7), ((5, 6, -16), (3, 32, -6), (3, 40, 10), (3, 26, 28), (3, 4, 36))),
    "posterior cerebral": ((0.7, 1.7), ((1, -16, -38), (1, -16, -20), (16, -28, -12), (20, -58, -2))),
    "internal cerebral vein": ((0.7, 1.7), ((2, 0, 16), (2, -38, 10), (0, -56, 14), (0, -88, -2))),
    "transverse sinus": ((2.0, 3.4), ((2, -98, -8), (30, -92, -16), (54, -66, -24), (58, -46, -34))),
    "choroid plexus": ((1.4, 3.0), ((26, -36, 2), (24, -42, 12), (14, -26, 18))),
}
BRAIN_CENTRE_MNI = np.array([5.0, -17.0, 0.0])  # z, y, x


def vessels(templates: Templates, rng: np.random.Generator) -> np.ndarray:
    """Intensity of enhanced vessels relative to white matter, 0 elsewhere; float32 `[z, y, x]`."""
    canvas = np.zeros(templates.shape, dtype=np.float32)
    contrast = rng.uniform(1.5, 1.9)  # the dose and its timing: one number a subject

    # the superior sagittal sinus: along the midline, from angle to angle (0: front, pi/2: top)
    start, stop = np.deg2rad(rng.uniform(15, 45)), np.deg2rad(rng.uniform(170, 190))
    angle = np.arange(start, stop, TEMPLATE_VOXEL_MM / 80.0)
    sideways = rng.normal(0, 0.02) + np.zeros_like(angle)
    sinus = surface_points(templates, np.stack([np.sin(angle), np.cos(angle), sideways], axis=1))
    paint_tube(canvas, sinus, rng.uniform(2.6, 3.6), contrast)
    for radii_mm, polyline in ENHANCING.values():
        for side in (-1, 1):
            radius = rng.uniform(*radii_mm)
            points = np.array(polyline, dtype=float)[:, ::-1] * (1, 1, side)
            points = densify(templates.index(points + rng.normal(0, 2.0, points.shape)))
            paint_tube(canvas, points, radius, contrast * rng.uniform(0.75, 1.0))
    for _ in range(rng.integers(3, 8)):
        paint_tube(
            canvas, cortical_vein(templates, rng), rng.uniform(0.7, 1.6), contrast * rng.uniform(0.75, 1.0)
        )
    return canvas


def spots(templates: Templates, rng: np.random.Generator) -> np.ndarray:
    """Fraction of its signal that white matter loses to old small-vessel disease, float32 `[z, y, x]`.

    Most subjects have a few spots of 2 to 5 mm radius; one in six has a lacune of up to 8 mm.
    """
    canvas = np.zeros(templates.shape, dtype=np.float32)
    radii = rng.uniform(1.5, 4.5, size=rng.poisson(3))
    if rng.random() < 1 / 6:
        radii = np.append(radii, rng.uniform(5.0, 8.0))
    places = np.argwhere(templates.white > 0.8)
    for radius in radii:
        centre = places[rng.integers(len(places))]
        cluster = centre + rng.normal(0, 0.4 * radius / TEMPLATE_VOXEL_MM, (3, 3))
        paint_tube(canvas, cluster, radius * 0.8, rng.uniform(0.3, 0.6))
    return canvas


def cortical_vein(templates: Templates, rng: np.random.Generator) -> np.ndarray:
    """Points of a vein that climbs the convexity towards the superior sagittal sinus."""
    front_to_back = rng.uniform(np.deg2rad(30), np.deg2rad(150))
    lean = np.deg2rad(rng.uniform(-25, 25))
    sideways = np.arange(np.deg2rad(4), np.deg2rad(rng.uniform(30, 75)), TEMPLATE_VOXEL_MM / 80.0)
    along = front_to_back + lean * sideways + 0.08 * np.sin(6 * sideways + rng.uniform(0, 2 * np.pi))
    side = rng.choice([-1.0, 1.0])
    direction = np.stack(
        [np.sin(along) * np.cos(sideways), np.cos(along) * np.cos(sideways), side * np.sin(sideways)], axis=1
    )
    return surface_points(templates, direction)


def surface_points(templates: Templates, direction: np.ndarray) -> np.ndarray:
    """Where rays from the brain's centre leave it: voxel coordinates `[n, 3]` for `direction` `[n, 3]`."""
    radius_mm = np.arange(110.0, 20.0, -TEMPLATE_VOXEL_MM / 2)
    rays = templates.index(BRAIN_CENTRE_MNI + radius_mm[None, :, None] * direction[:, None, :])
    inside = ndimage.map_coordinates(templates.brain, rays.reshape(-1, 3).T, order=0).reshape(rays.shape[:2])
    first = np.argmax(inside > 0.5, axis=1)
    return rays[np.arange(len(rays)), first]


def densify(points: np.ndarray) -> np.ndarray:
    """Resample a polyline of voxel coordinates `[n, 3]` to steps of about one voxel."""
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    steps = np.linspace(0.0, length[-1], max(2, int(np.ceil(length[-1]))))
    return np.stack([np.interp(steps, length, points[:, axis]) for axis in range(3)], axis=1)


def paint_tube(canvas: np.ndarray, points: np.ndarray, radius_mm: float, value: float) -> None:
    """Raise `canvas` to `value` within `radius_mm` of `points` (voxels, `[n, 3]`), soft at the border."""
    reach = int(np.ceil(radius_mm / TEMPLATE_VOXEL_MM)) + 1
    stencil = np.indices((2 * reach + 1,) * 3).reshape(3, -1).T - reach
    voxels = np.rint(points).astype(int)[:, None, :] + stencil
    distance_mm = TEMPLATE_VOXEL_MM * np.linalg.norm(voxels - points[:, None, :], axis=2)
    coverage = np.clip((radius_mm - distance_mm) / TEMPLATE_VOXEL_MM + 0.5, 0.0, 1.0)
    keep = (coverage > 0) & np.all((voxels >= 0) & (voxels < canvas.shape), axis=2)
    np.maximum.at(canvas, tuple(voxels[keep].T), np.float32(value) * coverage[keep].astype(np.float32))
