"""What every reader returns, and the one axis order that networks see."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from bench.errors import UserError

_TILT_DEGREES = 1.0  # less is rounding in headers, and nothing that resampling would show


@dataclass(frozen=True)
class Volume:
    """One scan or image as its file gives it, before any resampling.

    Attributes
    ----------
    array : float32. A volume is `[x, y, z]` in RAS: x runs from left to right, y from posterior to
        anterior, z from inferior to superior. An image is `[height, width]` as it is displayed.
    spacing_mm : distance between the centres of neighbouring voxels along each axis of `array`, or
        None where the file does not say (PNG, JPEG, `.npy`).
    affine : float64 `[4, 4]`, voxel indices of `array` to RAS millimetres, or None.
    facts : what the header says about the acquisition (original shape, spacing, bits). They are kept
        because shape and voxel size alone can give a scanner away.
    """

    array: np.ndarray
    spacing_mm: tuple[float, ...] | None = None
    affine: np.ndarray | None = None
    facts: dict[str, float | str] = field(default_factory=dict)

    def displayed(self) -> np.ndarray:
        """View with the axes of `Dataset.x`; see `to_display`."""
        return to_display(self.array) if self.array.ndim == 3 else self.array

    def displayed_spacing_mm(self) -> tuple[float, ...] | None:
        """Spacing in the axis order of `displayed`."""
        if self.spacing_mm is None or self.array.ndim == 2:
            return self.spacing_mm
        return self.spacing_mm[::-1]


def stored_facts(
    shape: Sequence[int], spacing_mm: Sequence[float] = (), bits: float | None = None
) -> dict[str, float | str]:
    """What a header says about the stored array, along its axes i, j and k (`Volume.facts`)."""
    facts: dict[str, float | str] = {f"stored_{a}": float(n) for a, n in zip("ijk", shape, strict=False)}
    facts |= {f"stored_spacing_{a}_mm": float(mm) for a, mm in zip("ijk", spacing_mm, strict=False)}
    return facts if bits is None else {**facts, "stored_bits": float(bits)}


def to_display(array: np.ndarray) -> np.ndarray:
    """Turn a RAS array `[x, y, z]` into `[depth, height, width]`, the axis order of `Dataset.x`.

    Depth runs from inferior to superior, height from anterior (the top row) to posterior, and width
    in the **radiological** convention: the first column is the patient's right. This is how an axial
    DICOM slice is stored and shown, so that exported PNG slices agree with volumes, and it is the order
    of the arrays that SimpleITK returns for axial series. A view is returned; `from_display` inverts it.
    """
    return array.transpose(2, 1, 0)[:, ::-1, ::-1]


def from_display(array: np.ndarray) -> np.ndarray:
    """Turn `[depth, height, width]` back into RAS `[x, y, z]`; the inverse of `to_display`."""
    return array[:, ::-1, ::-1].transpose(2, 1, 0)


def without_non_finite(array: np.ndarray, source: object) -> tuple[np.ndarray, int]:
    """Set NaN and infinite voxels to the value of the background, and count them.

    Registration and segmentation tools write NaN outside of the brain; 0 is what others write there. Where
    the darkest values lie clearly below 0 (by more than ringing), 0 is tissue, and the background is those.

    Raises UserError: nothing is left.
    """
    finite = np.isfinite(array)
    n_bad = int(array.size - np.count_nonzero(finite))
    if n_bad == array.size:
        raise UserError(f"{source}: found no finite value, expected an image")
    if not n_bad:
        return array, 0
    low, high = np.percentile(array[finite], (0.1, 99.9))
    background = array[finite].min() if low < -0.1 * (high - low) else 0
    return np.where(finite, array, np.float32(background)), n_bad


def as_image(ras: np.ndarray, source: object) -> tuple[np.ndarray, tuple[int, int]]:
    """Turn a RAS volume of one slice, along any axis, into the image of that slice as it is displayed.

    An axial slice is shown as `to_display` shows those of a volume. Sagittal and coronal ones have the head
    at the top, and anterior or the patient's right to the left.

    Returns the image `[height, width]`, and which axes of the volume these are.

    Raises UserError: two axes or all have a single voxel.
    """
    axes = [axis for axis, size in enumerate(ras.shape) if size > 1]
    if len(axes) != 2:
        shape = "x".join(map(str, ras.shape))
        raise UserError(f"{source}: found shape {shape}, expected an image or a volume")
    across, up = axes
    plane = ras.reshape(ras.shape[across], ras.shape[up])
    return np.ascontiguousarray(plane.T[::-1, ::-1]), (up, across)


def tilt_warning(affine: np.ndarray) -> dict[str, str]:
    """What `probe` says, as `tilt`, of a volume that is no box: resampling takes each for one.

    The tilt is the largest angle by which two axes miss the right angle: 20 degrees for a CT whose gantry was
    tilted by 20. Of an affine that is unusable, nothing is said.
    """
    directions = np.asarray(affine, dtype=np.float64)[:3, :3]
    lengths = np.linalg.norm(directions, axis=0)
    if not np.isfinite(lengths).all() or not lengths.all():
        return {}
    directions = directions / lengths
    cosines = np.abs(directions.T @ directions)[np.triu_indices(3, 1)]
    degrees = float(np.degrees(np.arcsin(min(1.0, cosines.max()))))
    if degrees < _TILT_DEGREES:
        return {}
    return {
        "tilt": f"found axes {degrees:.1f} degrees off the right angle (a tilted gantry, or sheared), "
        "assumed a box: the tilt is not undone"
    }


def as_volume(array: np.ndarray, affine: np.ndarray, facts: dict[str, float | str], source: object) -> Volume:
    """Bring a stored volume `[i, j, k]` to RAS; one of a single slice becomes an image `[height, width]`.

    Axes are flipped and permuted so that they come closest to RAS, also of an oblique `affine` (indices to RAS
    millimetres); nothing is interpolated.

    Raises UserError: the affine is not invertible, no value is finite, or it is a line (see `as_image`).
    """
    from nibabel.affines import voxel_sizes
    from nibabel.funcs import as_closest_canonical
    from nibabel.orientations import aff2axcodes
    from nibabel.spatialimages import SpatialImage

    affine = np.asarray(affine, dtype=np.float64)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise UserError(f"{source}: found no usable orientation in the header, expected an invertible affine")
    array, n_bad = without_non_finite(array, source)
    canonical = as_closest_canonical(SpatialImage(array, affine))
    ras, ras_affine = np.asarray(canonical.dataobj), canonical.affine
    spacing = tuple(float(size) for size in voxel_sizes(ras_affine))
    facts = {**facts, "stored_orientation": "".join(aff2axcodes(affine)), "non_finite": float(n_bad)}
    if 1 in ras.shape:
        image, axes = as_image(ras, source)
        return Volume(image, tuple(spacing[axis] for axis in axes), None, facts)
    return Volume(ras, spacing, ras_affine, facts)
