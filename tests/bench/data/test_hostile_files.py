"""Small files that declare much, wait for ever, lead outside or bring code: a line that names them, at once."""

import gzip
import io
import os
import pickle
import time
import zipfile

import nibabel as nib
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

from bench.data.folders.folder import check_folder, list_folder
from bench.data.formats import probe, read
from bench.data.sources.medmnist import load_medmnist
from bench.data.sources.usps import load as load_usps
from bench.errors import UserError


def _refused(path, match, functions=(probe, read)):
    started = time.process_time()
    for function in functions:
        with pytest.raises(UserError, match=match) as caught:
            function(path)
        assert path.name in str(caught.value)
        assert "\n" not in str(caught.value)
    assert time.process_time() - started < 5  # it was 16 s, and half an hour where it declared more


def _dicom(path, syntax=ExplicitVRLittleEndian, **values):
    data = pydicom.Dataset()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = syntax
    data.SOPClassUID, data.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.20", "1.2.3"
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.Rows = data.Columns = 2
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit, data.PixelRepresentation = 15, 0
    for name, value in values.items():
        setattr(data, name, value)
    data.PixelData = b"\0" * 8 if syntax == ExplicitVRLittleEndian else b"\xfe\xff\x00\xe0" + b"\0" * 4
    data["PixelData"].VR = "OW"
    if syntax != ExplicitVRLittleEndian:
        data["PixelData"].is_undefined_length = True
    data.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless])
def test_a_dicom_of_more_frames_than_bytes(tmp_path, syntax):
    path = _dicom(tmp_path / "frames.dcm", syntax, NumberOfFrames=200_000)
    assert path.stat().st_size < 1000
    _refused(path, "expected at least")


def test_a_dicom_of_more_pixels_than_anybody_needs(tmp_path):
    _refused(
        _dicom(tmp_path / "pixels.dcm", RLELossless, Rows=65535, Columns=65535),
        "found 1x65535x65535x1 values declared, expected at most 536,870,912",
    )


@pytest.mark.parametrize("side", [2000, 30_000])
def test_a_compressed_nifti_that_declares_terabytes(tmp_path, side):
    """It was a MemoryError that named no file."""
    header = nib.Nifti1Header()
    header.set_data_shape((side, side, side))
    header.set_data_dtype(np.int16)
    path = tmp_path / "large.nii.gz"
    path.write_bytes(gzip.compress(header.binaryblock + b"\0" * 1000))
    _refused(path, f"{side}x{side}x{side} values declared")


def test_a_compressed_nifti_larger_than_its_file_can_be(tmp_path):
    header = nib.Nifti1Header()
    header.set_data_shape((500, 500, 500))
    path = tmp_path / "large.nii.gz"
    path.write_bytes(gzip.compress(header.binaryblock + b"\0" * 1000))
    _refused(path, "expected at least")


def _npz(path, shape):
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|u1", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in ("train", "val", "test"):
            for what in ("images", "labels"):
                archive.writestr(f"{part}_{what}.npy", buffer.getvalue() + b"\0" * 100)
    return path


def test_a_medmnist_that_declares_terabytes(tmp_path):
    """It was a MemoryError that named no file."""
    _refused(_npz(tmp_path / "a.npz", (10_000_000, 28, 28, 28)), "values declared", [load_medmnist])
    _refused(_npz(tmp_path / "b.npz", (30_000, 28, 28)), "expected at least 23520000", [load_medmnist])


def test_a_usps_file_that_swells(tmp_path):
    for name in ("zip.train.gz", "zip.test.gz"):
        (tmp_path / name).write_bytes(gzip.compress(b"0" * (2**26 + 2**20), 1))
    _refused(tmp_path / "zip.train.gz", "letters of text", [lambda path: load_usps(path.parent)])


def test_a_png_of_more_pixels_than_anybody_needs(tmp_path):
    path = tmp_path / "large.png"
    Image.new("1", (11_000, 9_000)).save(path)
    _refused(path, "pixels")


def test_a_lack_of_memory_names_the_file(tmp_path, monkeypatch):
    path = tmp_path / "a.npy"
    np.save(path, np.eye(4))

    def lacks(*_):
        raise MemoryError

    monkeypatch.setattr("bench.data.formats.numpy_file.without_non_finite", lacks)
    _refused(path, "more than fits into memory", [read])


def test_a_pipe_is_not_waited_for(tmp_path):
    for name in ("pipe", "pipe.png", "pipe.nii"):
        os.mkfifo(tmp_path / name)
    _refused(tmp_path / "pipe.png", "device or a pipe")
    _refused(tmp_path / "pipe.nii", "device or a pipe")


class _Code:
    def __reduce__(self):
        return os.mkdir, ("ran",)


def test_nothing_in_an_array_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pickled = np.array([_Code()], dtype=object)
    np.save("a.npy", pickled)
    (tmp_path / "b.npy").write_bytes(pickle.dumps(_Code()))
    for name in ("a.npy", "b.npy"):
        _refused(tmp_path / name, "damaged")
    arrays = {f"{part}_{what}": pickled for part in ("train", "val", "test") for what in ("images", "labels")}
    np.savez("c.npz", **arrays)
    _refused(tmp_path / "c.npz", "damaged|expected", [load_medmnist])
    assert not (tmp_path / "ran").exists()


def test_pictures_are_png_or_jpeg_whatever_their_names_say(tmp_path):
    """Pillow gives PostScript to a program, Ghostscript."""
    path = tmp_path / "a.png"
    Image.new("L", (8, 8)).save(path, format="EPS")
    _refused(path, "cannot identify image file")


@pytest.mark.parametrize("at_most", [600, 400])
def test_a_picture_of_too_many_pixels_is_called_too_large_not_damaged(tmp_path, monkeypatch, at_most):
    Image.new("L", (30, 30)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", at_most)
    _refused(tmp_path / "a.png", f"found a larger image, expected at most {at_most} pixels")


@pytest.mark.parametrize("path", ["../a.png", "inside/../../a.png", "..\\a.png"])
def test_paths_stay_inside_the_folder(tmp_path, path):
    for name in ("a.png", "data/b.png", "data/inside/c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8)).save(tmp_path / name)
    labels = tmp_path / "data" / "labels.csv"
    labels.write_text(f"path,label,subject\nb.png,x,1\n{path},y,2\n")
    assert "line 3: found" in check_folder(tmp_path / "data").problems[0]
    assert "leads out of the folder" in check_folder(tmp_path / "data").problems[0]
    labels.write_text(f"path,label,subject\nb.png,x,1\n{tmp_path / 'a.png'},y,2\ninside/../b.png,x,1\n")
    assert "twice" in check_folder(tmp_path / "data").problems[0]
    labels.write_text(f"path,label,subject\nb.png,x,1\n{tmp_path / 'a.png'},y,2\n")
    assert len(list_folder(tmp_path / "data")) == 2


@pytest.mark.parametrize("row", ["a\0.png,x,1", "a\x1b[31m.png,x,1", f'"{"a" * 200_000}",x,1'])
def test_rows_that_are_no_text(tmp_path, row):
    (tmp_path / "labels.csv").write_text(f"path,label,subject\n{row}\n")
    problems = check_folder(tmp_path).problems
    assert "line 2: found" in problems[0]
    assert problems[0].isprintable()
