"""The sample files that nibabel, pydicom and nilearn bring: read as those libraries read them, or a clear line."""

from pathlib import Path

import nibabel as nib
import nilearn
import numpy as np
import pydicom
import pytest
from pydicom.pixels import apply_color_lut, apply_modality_lut

from bench.data.formats import kind_of, read
from bench.errors import UserError

_ROOTS = [Path(package.__file__).parent for package in (nib, pydicom, nilearn)]
_FILES = [
    path for root in _ROOTS for path in sorted(root.rglob("*")) if ".py" not in path.suffix and path.is_file()
]
_NIFTI = [path for path in _FILES if kind_of(path) == "nifti"]
_DICOM = [path for path in _FILES if kind_of(path) == "dicom" and path.name != "DICOMDIR"]
_SERIES = sorted(
    {
        path.parent
        for path in _DICOM
        if "dicomdirtests" in path.parts and "TINY_ALPHA" not in path.parts and path.stem.isdigit()
    }
)


def _name(path):
    return "/".join(path.parts[-3:])


# what is wrong with the series folders that are not one whole stack
_SEVERAL = {
    "CT2": "found a gap of 202.50",
    "CT2N": "another orientation",
    "MR1": "found 3 series",
    "MR2": "found 3 series",
    "MR700": "another orientation",
}


@pytest.mark.parametrize("path", _NIFTI, ids=_name)
def test_nifti(path):
    image = nib.load(path)
    if len(image.shape) > 3 or not isinstance(image, nib.spatialimages.SpatialImage):
        with pytest.raises(UserError, match="expected"):
            read(path)
        return
    volume, canonical = read(path), nib.as_closest_canonical(image)
    assert nib.aff2axcodes(volume.affine) == ("R", "A", "S")
    assert volume.facts["stored_orientation"] == "".join(nib.aff2axcodes(image.affine))
    assert volume.spacing_mm == pytest.approx(canonical.header.get_zooms())
    np.testing.assert_allclose(volume.affine, canonical.affine, atol=1e-5)
    np.testing.assert_allclose(volume.array, np.nan_to_num(canonical.get_fdata()), rtol=1e-5, atol=1e-5)


def _grey(data):
    """Pydicom's pixels, in the units of the file; colour as luma (ITU-R BT.601)."""
    values = data.pixel_array
    if data.PhotometricInterpretation == "MONOCHROME1":  # pydicom leaves white at 0
        values = 2**data.BitsStored - 1 - values
    if data.PhotometricInterpretation == "PALETTE COLOR":
        values = apply_color_lut(values, data)
    else:
        values = apply_modality_lut(values, data)
    return values @ [0.299, 0.587, 0.114] if values.shape[-1] == 3 and values.ndim > 2 else values


@pytest.mark.parametrize("path", _DICOM, ids=_name)
def test_dicom(path):
    data = pydicom.dcmread(path, force=True)
    try:
        expected = _grey(data)
    except Exception:  # no image, or no decoder here
        with pytest.raises(UserError, match="expected"):
            read(path)
        return
    if data.get("FrameTime"):  # frames in time
        with pytest.raises(UserError, match="expected slices of a volume"):
            read(path)
        return
    volume = read(path)
    spacing = data.get("PixelSpacing") or data.get("ImagerPixelSpacing")
    if expected.ndim == 2:
        np.testing.assert_allclose(volume.array, expected, rtol=1e-5, atol=1e-3)
        assert (volume.spacing_mm is None) == (spacing is None)
        assert spacing is None or volume.spacing_mm == pytest.approx(spacing)
        return
    # frames along z, and from patient's right to left, anterior to posterior: none of these files says otherwise
    np.testing.assert_allclose(volume.array[::-1, ::-1].transpose(2, 1, 0), expected, rtol=1e-5, atol=1e-3)
    places = data.get("GridFrameOffsetVector")
    if spacing is None or places is None:  # none of these files gives the distance otherwise
        assert volume.spacing_mm is None
    else:
        row_mm, column_mm = spacing
        assert volume.spacing_mm == pytest.approx((column_mm, row_mm, np.diff(places).mean()))


@pytest.mark.parametrize("folder", _SERIES, ids=_name)
def test_dicom_series(folder):
    """A voxel's place by the affine is where the header of its own file puts it (PS3.3, equation C.7.6.2.1-1)."""
    files = [pydicom.dcmread(path) for path in sorted(folder.iterdir())]
    if len(files) == 1:
        assert read(folder).array.ndim == 2
        return
    if folder.name in _SEVERAL:
        with pytest.raises(UserError, match=_SEVERAL[folder.name]):
            read(folder)
        return
    volume = read(folder)
    to_index = np.linalg.inv(volume.affine)
    for data in files:
        values = apply_modality_lut(data.pixel_array, data)
        row_mm, column_mm = map(float, data.PixelSpacing)
        for row, column in ((0, 0), (3, 11), (15, 15)):
            along_row, along_column = np.reshape(np.array(data.ImageOrientationPatient, float), (2, 3))
            lps = (
                np.array(data.ImagePositionPatient)
                + along_row * column_mm * column
                + along_column * row_mm * row
            )
            x, y, z = np.round((to_index @ [-lps[0], -lps[1], lps[2], 1])[:3]).astype(int)
            assert volume.array[x, y, z] == pytest.approx(values[row, column])


def test_there_are_such_files():
    assert len(_NIFTI) >= 10
    assert len(_DICOM) >= 100
    assert len(_SERIES) >= 5
