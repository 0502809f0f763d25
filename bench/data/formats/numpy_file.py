"""`.npy` arrays, which have no header: their axes are those of `Dataset.x`; and arrays of `.npz` archives."""

import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from bench.data.formats.sizes import check_size
from bench.data.formats.volume import Volume, as_image, from_display, stored_facts, without_non_finite
from bench.errors import UserError

_MAX_ARCHIVED = 2**35  # values; the largest set of MedMNIST has 16 thousand million


def _open(path: Path) -> np.ndarray:
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.dtype.kind not in "buif":
        raise UserError(f"{path}: found dtype {array.dtype}, expected real numbers")
    if array.ndim in (3, 4) and array.shape[-1] == 1:
        array = array[..., 0]
    is_line = array.ndim == 3 and sum(size > 1 for size in array.shape) < 2
    if array.ndim not in (2, 3) or 0 in array.shape or is_line:
        shape = "x".join(map(str, array.shape))
        raise UserError(f"{path}: found shape {shape}, expected height x width or depth x height x width")
    check_size(path, array.shape, array.dtype.itemsize, path.stat().st_size)
    return array


def probe(path: Path) -> dict[str, str]:
    """Check dtype, shape and length of the file; the values stay on disk."""
    _open(path)
    return {}


def read(path: Path) -> Volume:
    """Read `[height, width]` or `[depth, height, width]`, with or without a last axis of 1.

    The order is that of `Dataset.x` (see `to_display`), and of SimpleITK's arrays of axial series.
    The spacing is unknown: the array is taken to span the field of view. A volume of one slice is an image.
    """
    array = _open(path)
    values, n_bad = without_non_finite(np.array(array, dtype=np.float32), path)
    stored = stored_facts(array.shape[::-1] + (1,) * (3 - array.ndim), bits=array.dtype.itemsize * 8)
    facts = {**stored, "non_finite": float(n_bad)}
    if values.ndim == 2:
        return Volume(values, None, None, facts)
    ras = from_display(values)
    return Volume(as_image(ras, path)[0] if 1 in ras.shape else ras, None, None, facts)


def read_npz(path: Path, names: Sequence[str], expected: str) -> dict[str, np.ndarray]:
    """Read arrays out of a `.npz`, no pickles; each is declared no larger than what its file can hold.

    Raises UserError: an array is missing, or the file is damaged; `expected` says what should have been there.
    """
    npz_shapes(path, names, expected)
    with _told(path, expected), np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in names}


def npz_shapes(path: Path, names: Sequence[str], expected: str) -> dict[str, tuple[int, ...]]:
    """The shapes of arrays in a `.npz`, from their headers alone; raises as `read_npz`."""
    with _told(path, expected), zipfile.ZipFile(path) as archive:
        missing = sorted({f"{name}.npy" for name in names} - set(archive.namelist()))
        if missing:
            raise UserError(f"{path}: found no {', '.join(missing)}, expected {', '.join(names)}")
        return {name: _check_entry(path, name, archive, archive.getinfo(f"{name}.npy")) for name in names}


@contextmanager
def _told(path: Path, expected: str) -> Iterator[None]:
    """Word what goes wrong with an archive for a user."""
    if not path.is_file():
        raise UserError(f"{path}: found no file, expected {expected}")
    try:
        yield
    except UserError:
        raise
    except MemoryError:
        raise UserError(f"{path}: found more than fits into memory, expected {expected}") from None
    except Exception as error:  # NumPy and zipfile raise a dozen kinds for damaged files
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"{path}: found a damaged file ({reason}), expected {expected}") from error


def _check_entry(path: Path, name: str, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> tuple[int, ...]:
    stored = min(entry.compress_size, path.stat().st_size)
    compressed = entry.compress_type != zipfile.ZIP_STORED
    check_size(f"{path}, {name}", (entry.file_size,), 1, stored, compressed=compressed, at_most=_MAX_ARCHIVED)
    with archive.open(entry) as file:
        version = np.lib.format.read_magic(file)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        shape, _, dtype = read_header[version](file)
    check_size(f"{path}, {name}", shape, dtype.itemsize, entry.file_size, at_most=_MAX_ARCHIVED)
    return shape
