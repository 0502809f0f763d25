"""The average brain that every generated subject is made from: nilearn's bundled MNI152 templates.

Axes are `[z, y, x]`, growing towards superior, anterior and right (RAS, transposed), at 2 mm.

Source: Fonov et al., "Unbiased average age-appropriate atlases for pediatric studies", NeuroImage 54(1),
2011: the symmetric ICBM152 2009a atlas, skull-stripped. The files are part of the nilearn wheel.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import ndimage

TEMPLATE_VOXEL_MM = 2.0

# The tissue probabilities are averages of 152 brains, blurred most where people differ most: in the cortical
# folds. This exponent, renormalised over the tissues, moves them towards what a single brain looks like.
SHARPENING = 2.0


@dataclass(frozen=True)
class Templates:
    """The average brain, each array float32 `[z, y, x]`, on a 2 mm grid."""

    grey: np.ndarray  # fractions of grey matter, white matter and cerebrospinal fluid; they sum to `brain`
    white: np.ndarray
    fluid: np.ndarray
    brain: np.ndarray  # 1 inside the brain, 0 outside, soft at the border
    residual: np.ndarray  # T1 intensity beyond that of the tissues (deep nuclei, folds), relative to white
    depth_mm: np.ndarray  # distance to the brain's surface
    origin_mm: np.ndarray  # MNI coordinates (z, y, x) of voxel (0, 0, 0)

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.brain.shape  # type: ignore[return-value]

    def index(self, mni_mm: np.ndarray) -> np.ndarray:
        """Voxel coordinates `[..., 3]` of MNI coordinates `[..., 3]`, both in the order z, y, x."""
        return (np.asarray(mni_mm) - self.origin_mm) / TEMPLATE_VOXEL_MM


def read_templates(resolution_mm: int) -> Iterator:
    """Images of the T1-weighted brain, its grey and its white matter; most of 3 s is nilearn's import."""
    from nilearn import datasets  # needed by the process that generates alone

    yield datasets.load_mni152_template(resolution=resolution_mm)
    yield datasets.load_mni152_gm_template(resolution=resolution_mm)
    yield datasets.load_mni152_wm_template(resolution=resolution_mm)


@lru_cache(maxsize=1)
def load_templates() -> Templates:
    """Make the templates of what nilearn brings, once in this process."""
    from nilearn.datasets import load_mni152_brain_mask

    resolution = int(TEMPLATE_VOXEL_MM)
    images = [*read_templates(resolution), load_mni152_brain_mask(resolution=resolution)]
    t1, grey, white, brain_mask = (
        np.asarray(image.get_fdata(), dtype=np.float32).transpose(2, 1, 0) for image in images
    )
    # One empty voxel all around: sampling outside then gives zero.
    box = ndimage.find_objects((brain_mask > 0.5).astype(np.uint8))[0]
    t1, grey, white, brain_mask = (np.pad(volume[box], 1) for volume in (t1, grey, white, brain_mask))
    start = np.array([side.start - 1 for side in box])
    origin_mm = np.asarray(images[0].affine[:3, 3])[::-1] + TEMPLATE_VOXEL_MM * start
    mask = brain_mask > 0.5
    fluid = np.clip(1.0 - grey - white, 0.0, 1.0)
    fractions = np.stack([grey, white, fluid]) * mask

    inside = fractions[:, mask].T
    intensity = np.linalg.lstsq(inside, t1[mask], rcond=None)[0]
    residual = np.zeros_like(t1)
    residual[mask] = (t1[mask] - inside @ intensity) / intensity[1]

    sharp = fractions**SHARPENING
    sharp /= np.maximum(sharp.sum(axis=0), 1e-6)
    brain = ndimage.gaussian_filter(mask.astype(np.float32), 0.5) * mask
    depth_mm = ndimage.distance_transform_edt(mask, sampling=TEMPLATE_VOXEL_MM)
    grey, white, fluid = sharp * brain
    return Templates(grey, white, fluid, brain, residual, depth_mm.astype(np.float32), origin_mm)
