"""DICOM: series folders of single frames, and the multi-frame files of nuclear medicine and enhanced MR.

Section numbers are those of DICOM PS3.3. Geometry is in `dicom_geometry.py`.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
from pydicom import uid
from pydicom.errors import InvalidDicomError
from pydicom.pixels import apply_color_lut, apply_modality_lut

from bench.data.formats.dicom_geometry import FrameGeometry, Stack, frames_of_file, stack
from bench.data.formats.listing import broken_link_lines, broken_links, dicom_files
from bench.data.formats.sizes import check_size
from bench.data.formats.volume import Volume, as_volume, stored_facts, without_non_finite
from bench.errors import UserError

# values are checked where they are used
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
_FRAGMENT_HEADER = 8  # bytes
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def _read_file(path: Path, header_only: bool = False) -> pydicom.Dataset:
    try:
        data = pydicom.dcmread(path, stop_before_pixels=header_only)
    except InvalidDicomError:  # old exports lack the preamble and the file meta information
        data = pydicom.dcmread(path, stop_before_pixels=header_only, force=True)
        if not hasattr(data.file_meta, "TransferSyntaxUID"):
            data.file_meta.TransferSyntaxUID = uid.ImplicitVRLittleEndian
    if "Rows" not in data or "Columns" not in data:
        raise UserError(f"{path}: found no Rows and Columns in the header, expected a DICOM image")
    _check_declared(data, path)
    stored, high = (int(_number(data.get(key), 0)) for key in ("BitsStored", "HighBit"))
    if stored and high > stored - 1:  # pydicom takes the lowest bits
        raise UserError(f"{path}: found HighBit {high} of {stored} bits stored, expected {stored - 1}")
    return data


def _check_declared(data: pydicom.Dataset, path: Path) -> None:
    """Make sure that the file is large enough for the frames that it declares."""
    stored, frames = path.stat().st_size, int(_number(data.get("NumberOfFrames"), 1))
    shape = (frames, int(data.Rows), int(data.Columns), int(_number(data.get("SamplesPerPixel"), 1)))
    if data.get("PhotometricInterpretation") == "YBR_FULL_422":  # two pixels share their colour (C.7.6.3.1.2)
        shape = (*shape[:3], 2)
    if min(shape) < 1:
        raise UserError(f"{path}: found {'x'.join(map(str, shape))} values declared, expected a DICOM image")
    syntax = data.file_meta.get("TransferSyntaxUID", uid.ImplicitVRLittleEndian)
    plain = (uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian)
    compressed = syntax not in plain
    check_size(path, shape, _number(data.get("BitsAllocated"), 8) / 8, stored, compressed=compressed)
    if compressed and syntax != uid.DeflatedExplicitVRLittleEndian:  # a frame is some fragments: PS3.5, A.4
        check_size(path, (frames,), _FRAGMENT_HEADER, stored)


def _number(value: object, default: float) -> float:
    return default if value is None or value == "" else float(value)  # type: ignore[arg-type]


def _rescale(data: pydicom.Dataset, n_frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Return slope and intercept of each frame: C.11.1 for a file, C.7.6.16.2.9 for functional groups."""
    slope = np.full(n_frames, _number(data.get("RescaleSlope"), 1.0), dtype=np.float32)
    intercept = np.full(n_frames, _number(data.get("RescaleIntercept"), 0.0), dtype=np.float32)
    shared = data.get("SharedFunctionalGroupsSequence") or [pydicom.Dataset()]
    each = data.get("PerFrameFunctionalGroupsSequence") or []
    for index in range(n_frames):
        groups = ([each[index]] if index < len(each) else []) + [shared[0]]
        for group in groups:
            transformation = group.get("PixelValueTransformationSequence")
            if transformation:
                slope[index] = _number(transformation[0].get("RescaleSlope"), 1.0)
                intercept[index] = _number(transformation[0].get("RescaleIntercept"), 0.0)
                break
    return slope, intercept


def _pixels(data: pydicom.Dataset, path: Path) -> np.ndarray:
    """Decode to float32 `[frames, rows, columns]`, rescaled, bright meaning much."""
    if "PixelData" not in data and "FloatPixelData" not in data and "DoubleFloatPixelData" not in data:
        raise UserError(f"{path}: found no pixel data, expected a DICOM image")
    try:
        raw = data.pixel_array
    except (RuntimeError, NotImplementedError) as error:
        syntax = data.file_meta.TransferSyntaxUID.name
        reason = " ".join(str(error).split())[:150]
        raise UserError(
            f"{path}: found pixels that cannot be decoded ({syntax}: {reason}), "
            "expected uncompressed or RLE DICOM, or an installed decoder such as pylibjpeg"
        ) from error
    of_palette = data.get("PhotometricInterpretation") == "PALETTE COLOR"
    if of_palette:
        raw = apply_color_lut(raw, data)[..., :3]
    if of_palette or int(data.get("SamplesPerPixel") or 1) == 3:
        raw = raw.astype(np.float32) @ _LUMA
    bits, signed = data.get("BitsStored"), int(data.get("PixelRepresentation", 0)) == 1
    if data.get("ModalityLUTSequence"):  # a table instead of slope and intercept
        raw, signed = apply_modality_lut(raw, data), False
        bits = data.ModalityLUTSequence[0].LUTDescriptor[2]
    frames = raw.astype(np.float32).reshape(-1, int(data.Rows), int(data.Columns))
    if data.get("PhotometricInterpretation") == "MONOCHROME1":  # C.7.6.3.1.2: the lowest value is white
        frames = (-1.0 if signed else 2.0 ** int(bits) - 1) - frames
    slope, intercept = _rescale(data, len(frames))
    frames *= slope[:, None, None]
    frames += intercept[:, None, None]
    return frames


def _facts(
    data: pydicom.Dataset, shape: tuple[int, ...], spacing_mm: Sequence[float] = ()
) -> dict[str, float | str]:
    keys = ("Modality", "Manufacturer", "ManufacturerModelName")
    said = {key: str(data.get(key)) for key in keys if data.get(key)}
    return stored_facts(shape[::-1], spacing_mm, data.get("BitsStored", 16)) | said


def _files(folder: Path, header_only: bool = False) -> list[tuple[Path, pydicom.Dataset]]:
    """Read a file, or a folder's files, which must be of one series, and all of it."""
    if not folder.is_dir():
        return [(folder, _read_file(folder, header_only))]
    missing = broken_links(folder)
    if missing:
        raise UserError(broken_link_lines(missing, folder, most=1)[0])
    files = [(path, _read_file(path, header_only)) for path in dicom_files(folder)]
    if not files:
        raise UserError(f"{folder}: found no DICOM file, expected the files of one series")
    series = Counter(str(data.get("SeriesInstanceUID", "")) for _, data in files)
    if len(series) > 1:
        sizes = " + ".join(map(str, sorted(series.values(), reverse=True)))
        raise UserError(f"{folder}: found {len(series)} series ({sizes} files), expected one series a folder")
    patients = {str(data.get("PatientID") or "") for _, data in files} - {""}
    if len(patients) > 1:
        raise UserError(
            f"{folder}: found slices of {len(patients)} patients in one series, expected one patient"
        )
    if len(files) > 1:
        for path, data in files:
            if int(_number(data.get("NumberOfFrames"), 1)) > 1:
                raise UserError(
                    f"{path}: found a multi-frame file among others, expected it alone in a folder"
                )
    return files


def are_scans_each(files: Sequence[Path]) -> bool:
    """Whether each of several files is a scan by itself, as an archive's multi-frame files of several patients are.

    They are where no two are of one series, and each has several frames or a patient of its own: slices may have
    been given a series each by what made them anonymous.
    """
    seen: set[str] = set()
    patients: set[str] = set()
    for number, path in enumerate(files, start=1):
        try:
            data = _read_file(path, header_only=True)
        except Exception:  # whoever reads the scan says what is wrong
            return False
        seen.add(str(data.get("SeriesInstanceUID", "")))
        patients.add(str(data.get("PatientID", "")))
        is_own = len(patients) == number or int(_number(data.get("NumberOfFrames"), 1)) > 1
        if len(seen) < number or not is_own:
            return False
    return len(files) > 1


def probe(path: Path) -> dict[str, str]:
    """Read headers, and check the geometry of a series or of several frames; pixels stay on disk.

    Returns `series` and `patient`; `tilt` and `spacing` where these need a warning (see `Stack.warnings`).
    """
    files = _files(path, header_only=True)
    first_path, first = files[0]
    n_frames = int(_number(first.get("NumberOfFrames"), 1))
    warnings = {}
    if len(files) > 1:
        warnings = _stacked(files, path).warnings()
    elif n_frames > 1:
        warnings = stack(frames_of_file(first, n_frames, first_path), first_path).warnings()
    keys = {"series": "SeriesInstanceUID", "patient": "PatientID"}
    return {name: str(first.get(tag)) for name, tag in keys.items() if first.get(tag)} | warnings


def _stacked(files: list[tuple[Path, pydicom.Dataset]], folder: Path) -> Stack:
    for path, data in files:
        if (data.Rows, data.Columns) != (files[0][1].Rows, files[0][1].Columns):
            raise UserError(
                f"{path}: found {data.Rows}x{data.Columns} pixels, "
                f"expected {files[0][1].Rows}x{files[0][1].Columns} as in {files[0][0].name}"
            )
    return stack([FrameGeometry.of_header(data, path) for path, data in files], folder)


def read(path: Path) -> Volume:
    """Read a series folder or a file.

    A series is sorted by the position of its slices along their normal. A single frame is an image, in its own
    pixel order. Missing geometry falls back, in this order: positions from `ImagePositionPatient`,
    `SliceLocation`, `InstanceNumber`; distances from the positions, `SpacingBetweenSlices`, `SliceThickness`;
    orientation: axial. Where the header gives no `PixelSpacing`, or no distance of slices, there is no spacing.

    Raises UserError: several series or time points in one place, a slice missing, no decoder for the pixels.
    """
    files = _files(path)
    first_path, first = files[0]
    if len(files) > 1:
        stacked = _stacked(files, path)
        frames = np.concatenate([_pixels(files[index][1], files[index][0]) for index in stacked.order])
    else:
        frames = _pixels(first, first_path)
        if len(frames) == 1:
            image, n_bad = without_non_finite(frames[0], path)
            spacing = FrameGeometry.of_header(first, first_path).orientation.spacing_mm
            facts = _facts(first, frames.shape, (spacing or ())[::-1])
            return Volume(image, spacing, None, {**facts, "non_finite": float(n_bad)})
        stacked = stack(frames_of_file(first, len(frames), first_path), first_path)
        frames = frames[stacked.order]
    sizes_mm = [float(np.linalg.norm(stacked.affine[:3, n])) for n in range(3)]
    facts = _facts(first, frames.shape, sizes_mm if stacked.has_sizes else ())
    volume = as_volume(frames.transpose(2, 1, 0), stacked.affine, facts, path)
    return volume if stacked.has_sizes else replace(volume, spacing_mm=None, affine=None)
