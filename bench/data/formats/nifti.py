"""NIfTI-1, NIfTI-2 and Analyze 7.5, through nibabel."""

from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.fileholders import FileHolder
from nibabel.imageglobals import logger
from nibabel.spatialimages import SpatialImage

from bench.data.formats.listing import header_of, partner_of
from bench.data.formats.sizes import check_size
from bench.data.formats.volume import Volume, as_volume, stored_facts, tilt_warning
from bench.errors import UserError

logger.setLevel("CRITICAL")  # what it mends in headers it would print for each file, without the file's name


def _open(path: Path) -> SpatialImage:
    header = header_of(path)
    image = nib.load(header)
    if not isinstance(image, SpatialImage):
        raise UserError(f"{path}: found {type(image).__name__}, expected a NIfTI or Analyze volume")
    voxels = partner_of(header)
    if voxels is None or str(voxels) == str(image.file_map["image"].filename):
        return image
    # nibabel guesses the partner's name, and wrongly where only one of a pair is in capitals
    return type(image).from_file_map({**image.file_map, "image": FileHolder(str(voxels))})


def _load(path: Path) -> SpatialImage:
    image = _open(path)
    shape = image.shape
    if len(shape) < 2 or any(size > 1 for size in shape[3:]):
        raise UserError(f"{path}: found shape {'x'.join(map(str, shape))}, expected one volume (3 axes)")
    if min(shape) < 1:
        raise UserError(f"{path}: found shape {'x'.join(map(str, shape))}, expected no empty axis")
    if sum(size > 1 for size in shape[:3]) < 2:
        raise UserError(f"{path}: found shape {'x'.join(map(str, shape))}, expected an image or a volume")
    if image.get_data_dtype().fields is not None:
        raise UserError(f"{path}: found colour voxels, expected grey values")
    if image.get_data_dtype().kind == "c":  # which of magnitude, phase and parts is meant, nobody said
        raise UserError(f"{path}: found complex voxels, expected real ones, such as their magnitude")
    voxels = Path(image.file_map["image"].filename or path)
    if not voxels.exists():
        raise UserError(f"{path}: found no {voxels.name} beside it, expected a pair of .hdr and .img")
    stored, bytes_each = voxels.stat().st_size, image.get_data_dtype().itemsize
    check_size(voxels, shape, bytes_each, stored, compressed=voxels.suffix.lower() == ".gz")
    return image


def probe(path: Path) -> dict[str, str]:
    """Read the header; an Analyze pair must be complete and the voxels' file long enough.

    Returns `tilt`, where the volume is sheared; see `tilt_warning`.
    """
    image = _load(path)
    return tilt_warning(np.asarray(image.affine))


def read(path: Path) -> Volume:
    """Read one volume, scaled by slope and intercept and brought to RAS and millimetres.

    Axes are flipped and permuted, never interpolated (`nibabel.as_closest_canonical`). Analyze has no
    orientation; nibabel's default is taken, which stores x from right to left (radiological). A volume of
    one slice is an image, shown as the slice of a volume would be.
    """
    image = _load(path)
    shape = image.shape[:3] + (1,) * (3 - len(image.shape))
    unit = image.header.get_xyzt_units()[0] if isinstance(image.header, nib.Nifti1Header) else "unknown"
    # Of one unit of its affine, which nibabel leaves as it is: NIfTI knows metres and micrometres too.
    millimetres = {"meter": 1000.0, "micron": 0.001}.get(unit, 1.0)
    zooms = [millimetres * float(zoom) for zoom in image.header.get_zooms()]
    facts = stored_facts(shape, zooms, image.get_data_dtype().itemsize * 8)
    # float32 from the start: the default would scale integers in float64, twice the memory
    array = np.asarray(image.get_fdata(dtype=np.float32, caching="unchanged")).reshape(shape)
    return as_volume(array, np.diag([millimetres] * 3 + [1.0]) @ np.asarray(image.affine), facts, path)
