"""What every reader returns, and the one axis order that networks see."""

from dataclasses import dataclass, field

import numpy as np

from bench.errors import UserError


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
    """Set NaN and infinite voxels to 0, and count them.

    Registration and segmentation tools write NaN outside of the brain; 0 is what others write there.

    Raises
    ------
    UserError : nothing is left.
    """
    finite = np.isfinite(array)
    n_bad = int(array.size - np.count_nonzero(finite))
    if n_bad == array.size:
        raise UserError(f"{source}: found no finite value, expected an image")
    return (np.where(finite, array, np.float32(0)), n_bad) if n_bad else (array, 0)


def to_ras(array: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, tuple[float, ...], np.ndarray]:
    """Flip and permute the axes of a volume so that they come closest to RAS; nothing is interpolated.

    Parameters
    ----------
    array : `[i, j, k]`.
    affine : `[4, 4]`, indices to RAS millimetres; may be oblique.

    Returns
    -------
    the array `[x, y, z]`, its spacing in mm, and its affine; as `nibabel.as_closest_canonical`, which
    would read scaled integers as float64 and so take twice the memory.
    """
    from nibabel.affines import voxel_sizes
    from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation

    orientation = io_orientation(affine)
    ras_affine = affine @ inv_ornt_aff(orientation, array.shape)
    spacing = tuple(float(size) for size in voxel_sizes(ras_affine))
    return apply_orientation(array, orientation), spacing, ras_affine


def as_volume(array: np.ndarray, affine: np.ndarray, facts: dict[str, float | str], source: object) -> Volume:
    """Bring a stored volume `[i, j, k]` to RAS; one of a single slice becomes an image `[height, width]`.

    Raises
    ------
    UserError : the affine is not invertible, or no value is finite.
    """
    from nibabel.orientations import aff2axcodes

    affine = np.asarray(affine, dtype=np.float64)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise UserError(f"{source}: found no usable orientation in the header, expected an invertible affine")
    array, n_bad = without_non_finite(array, source)
    ras, spacing, ras_affine = to_ras(array, affine)
    facts = {**facts, "stored_orientation": "".join(aff2axcodes(affine)), "non_finite": float(n_bad)}
    if ras.shape[2] == 1:
        image = np.ascontiguousarray(to_display(ras)[0])
        return Volume(image, (spacing[1], spacing[0]), None, facts)
    return Volume(ras, spacing, ras_affine, facts)
