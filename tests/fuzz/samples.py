"""One small sound file of each format, and what reads it."""

import gzip
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
from PIL import Image
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

from bench.data.folders.folder import check_folder, list_folder
from bench.data.formats import probe, read
from bench.data.sources.medmnist import load_medmnist
from bench.data.sources.usps import load as load_usps


@dataclass(frozen=True)
class Sample:
    """Files by name; `damaged` is the one to damage, `path` what is read (relative; "" is the folder)."""

    files: dict[str, bytes]
    damaged: str
    path: str
    examine: Callable[[Path], None]


def _examine_image(path: Path) -> None:
    probe(path)
    volume = read(path)
    assert volume.array.dtype == np.float32
    assert volume.array.ndim in (2, 3)
    assert np.isfinite(volume.array).all()


def _examine_dataset(load: Callable) -> Callable[[Path], None]:
    def examine(path: Path) -> None:
        dataset = load(path)
        assert np.isfinite(dataset.x).all()
        assert len(dataset.x) == len(dataset.y)

    return examine


def _examine_folder(path: Path) -> None:
    for line in check_folder(path).problems:
        assert "\n" not in line
    list_folder(path)


def _nifti(kind: type, dtype: type) -> dict[str, bytes]:
    values = np.random.default_rng(0).integers(0, 200, (7, 8, 9)).astype(dtype)
    image = kind(values, np.diag([-2.0, 2.0, 3.0, 1.0]))
    if kind in (nib.Nifti1Image, nib.Nifti2Image):
        return {"a.nii": image.to_bytes()}
    for holder in image.file_map.values():
        holder.fileobj = io.BytesIO()
    image.to_file_map()
    return {
        f"a.{ext}": image.file_map[what].fileobj.getvalue()
        for what, ext in (("header", "hdr"), ("image", "img"))
    }


def _dicom(number: int, n_frames: int = 1, rle: bool = False) -> bytes:
    data = pydicom.Dataset()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID, data.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.4", f"1.2.3.{number}"
    data.SeriesInstanceUID, data.Modality, data.PatientID = "1.2.3", "MR", "p"
    data.InstanceNumber, data.ImagePositionPatient = number, [0, 0, 3 * number]
    data.ImageOrientationPatient, data.PixelSpacing = [1, 0, 0, 0, 1, 0], [2, 2]
    data.SliceThickness, data.RescaleSlope, data.RescaleIntercept = 3, 2, -10
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.Rows, data.Columns, data.NumberOfFrames = 6, 8, n_frames
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit, data.PixelRepresentation = 15, 0
    data.PixelData = np.random.default_rng(number).integers(0, 900, (n_frames, 6, 8), np.uint16).tobytes()
    data["PixelData"].VR = "OW"
    if rle:
        data.compress(RLELossless, generate_instance_uid=False)
    buffer = io.BytesIO()
    data.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _picture(mode: str, form: str) -> bytes:
    values = np.random.default_rng(0).integers(0, 256, (20, 24, 3), np.uint8)
    image = (
        Image.fromarray(values).convert(mode)
        if mode != "I;16"
        else Image.fromarray(values[..., 0] * np.uint16(99))
    )
    buffer = io.BytesIO()
    image.save(buffer, form)
    return buffer.getvalue()


def _npy(dtype: type) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.arange(504, dtype=dtype).reshape(7, 8, 9))
    return buffer.getvalue()


def _npz(save: Callable) -> bytes:
    random, arrays = np.random.default_rng(0), {}
    for part, n in (("train", 8), ("val", 4), ("test", 4)):
        arrays[f"{part}_images"] = random.integers(0, 256, (n, 6, 6, 6), np.uint8)
        arrays[f"{part}_labels"] = (np.arange(n) % 2).astype(np.uint8)[:, None]
    buffer = io.BytesIO()
    save(buffer, **arrays)
    return buffer.getvalue()


def _usps() -> dict[str, bytes]:
    line = " ".join(["0.5"] * 256)
    content = gzip.compress("".join(f"{digit}.0000 {line}\n" for digit in range(10)).encode())
    return {"zip.train.gz": content, "zip.test.gz": content}


def _folder() -> dict[str, bytes]:
    names = [f"{letter}.png" for letter in "abcdef"]
    rows = "".join(f"{name},{'xy'[n % 2]},s{n},site{n % 3}\n" for n, name in enumerate(names))
    picture = _picture("L", "PNG")
    return {"labels.csv": f"path,label,subject,site\n{rows}".encode(), **dict.fromkeys(names, picture)}


def samples() -> dict[str, Sample]:
    """All formats by name."""
    nifti = {"nifti": (nib.Nifti1Image, np.int16), "nifti-2": (nib.Nifti2Image, np.float32)}
    found = {name: Sample(_nifti(*kind), "a.nii", "a.nii", _examine_image) for name, kind in nifti.items()}
    packed = {"a.nii.gz": gzip.compress(found["nifti"].files["a.nii"])}
    found["nifti, compressed"] = Sample(packed, "a.nii.gz", "a.nii.gz", _examine_image)
    for name, kind in {"analyze": nib.AnalyzeImage, "nifti pair": nib.Nifti1Pair}.items():
        for damaged in ("a.hdr", "a.img"):
            found[f"{name}, {damaged[2:]}"] = Sample(_nifti(kind, np.int16), damaged, "a.hdr", _examine_image)
    for name, content in {
        "dicom": _dicom(1),
        "dicom, frames": _dicom(1, 5),
        "dicom, rle": _dicom(1, 5, rle=True),
    }.items():
        found[name] = Sample({"a.dcm": content}, "a.dcm", "a.dcm", _examine_image)
    series = {f"{number}.dcm": _dicom(number) for number in range(5)}
    found["dicom series"] = Sample(series, "2.dcm", "", _examine_image)
    for mode, form in (
        ("L", "png"),
        ("RGB", "png"),
        ("P", "png"),
        ("I;16", "png"),
        ("L", "jpeg"),
        ("RGB", "jpeg"),
    ):
        name = f"a.{form}"
        found[f"{form}, {mode}"] = Sample({name: _picture(mode, form)}, name, name, _examine_image)
    for dtype in (np.uint8, np.float32):
        found[f"npy, {dtype.__name__}"] = Sample({"a.npy": _npy(dtype)}, "a.npy", "a.npy", _examine_image)
    for name, save in (("npz", np.savez), ("npz, compressed", np.savez_compressed)):
        found[f"medmnist {name}"] = Sample(
            {"a.npz": _npz(save)}, "a.npz", "a.npz", _examine_dataset(load_medmnist)
        )
    found["usps"] = Sample(_usps(), "zip.train.gz", "", _examine_dataset(load_usps))
    found["labels.csv"] = Sample(_folder(), "labels.csv", "", _examine_folder)
    found["picture in a folder"] = Sample(_folder(), "c.png", "", _examine_folder)
    return found
