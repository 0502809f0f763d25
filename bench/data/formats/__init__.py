"""Reading medical images: one small file a format, one `Volume` for all of them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from bench.data.formats import listing
from bench.data.formats.volume import Volume, from_display, to_display
from bench.errors import UserError

__all__ = ["EXPECTED", "Volume", "from_display", "kind_of", "probe", "read", "to_display"]

EXPECTED = "NIfTI (.nii, .nii.gz), Analyze (.hdr/.img), DICOM (a file or a series folder), .png, .jpg or .npy"

_LONGEST_REASON = 200  # letters of a library's message
_SUFFIXES = {
    ".nii": "nifti",
    ".nii.gz": "nifti",
    ".hdr": "analyze",
    ".img": "analyze",
    **dict.fromkeys(listing.DICOM_SUFFIXES, "dicom"),
    ".png": "image",
    ".jpg": "image",
    ".jpeg": "image",
    ".npy": "array",
}


def kind_of(path: Path) -> str | None:
    """Name the format of a file or of a DICOM series folder; None if there is no reader for it.

    DICOM files often have no suffix (`IM0001`) or a number for one, so anything else is asked for the
    letters `DICM` behind its preamble (DICOM PS3.10, section 7.1).
    """
    if path.is_dir():
        return "dicom" if listing.dicom_files(path) else None
    name = path.name.lower()
    for suffix, kind in _SUFFIXES.items():
        if name.endswith(suffix):
            return kind
    return "dicom" if listing.has_dicom_magic(path) else None


def _known(path: Path, kind: str | None) -> str:
    if listing.is_broken_link(path):
        raise UserError(listing.broken_link_lines([path], path)[0])
    if not path.exists():
        raise UserError(f"{path}: found nothing there, expected a file or a DICOM series folder")
    if not os.access(path, os.R_OK):
        raise UserError(f"{path}: found a file that may not be read, expected read permission")
    if not path.is_file() and not path.is_dir():  # a pipe would be waited for
        raise UserError(f"{path}: found a device or a pipe, expected a file or a DICOM series folder")
    if path.is_file() and path.stat().st_size == 0:
        raise UserError(f"{path}: found an empty file, expected an image")
    kind = kind or kind_of(path)
    if kind is None:
        what = "a folder without DICOM files" if path.is_dir() else "an unknown format"
        raise UserError(f"{path}: found {what}, expected {EXPECTED}")
    return kind


def _module(kind: str) -> ModuleType:
    """What reads a format, imported with the first file: some of their libraries take long."""
    if kind in ("nifti", "analyze"):
        from bench.data.formats import nifti

        return nifti
    if kind == "dicom":
        from bench.data.formats import dicom

        return dicom
    if kind == "image":
        from bench.data.formats import images

        return images
    from bench.data.formats import numpy_file

    return numpy_file


@contextmanager
def _reader(path: Path, kind: str | None, what: str) -> Iterator[tuple[str, ModuleType]]:
    """A file's kind and what reads it; any failure of its library names the file, and `what` is wrong."""
    try:
        kind = _known(path, kind)
        yield kind, _module(kind)
    except UserError:
        raise
    except Exception as error:
        # Of other numbers, or none, are those that libraries raise of damaged files.
        if isinstance(error, OSError) and error.errno in listing.UNREADABLE:
            line = listing.unreadable_line(error, path)
        elif isinstance(error, MemoryError):
            line = f"{path}: found more than fits into memory, expected a smaller image, or a damaged header"
        else:
            reason = " ".join(str(error).split())[:_LONGEST_REASON] or type(error).__name__
            line = f"{path}: found {what} ({reason}), expected {kind or EXPECTED}"
        raise UserError(line) from error


def probe(path: Path, kind: str | None = None) -> dict[str, str]:
    """Read the header alone, cheaply, to find unreadable files before any work starts.

    Returns what identifies the scan, where the header says it: `series` and `patient` (DICOM); and a text for each
    way in which its geometry is not what resampling assumes: `tilt` and `spacing`.

    Raises UserError: the file is missing, empty, not permitted, of unknown format, or its header is damaged.
    """
    with _reader(path, kind, "a damaged header") as (_, module):
        return module.probe(path)


def read(path: Path, kind: str | None = None, colour: int | None = None) -> Volume:
    """Read a file, or a DICOM series folder, of any known format.

    `colour`: 0, 1 or 2 for the red, green or blue of a PNG or JPEG; the grey values of anything else.

    Raises UserError: as in `probe`, or the content is damaged or not one volume.
    """
    with _reader(path, kind, "damaged content") as (known, module):
        return module.read(path, colour) if known == "image" else module.read(path)
