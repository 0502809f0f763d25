"""`.npy` arrays, which have no header: their axes are those of `Dataset.x`."""

from pathlib import Path

import numpy as np

from bench.data.formats.volume import Volume, as_image, from_display, without_non_finite
from bench.errors import UserError


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
    shape = (1,) * (3 - array.ndim) + array.shape
    facts: dict[str, float | str] = {
        **{f"stored_{axis}": float(size) for axis, size in zip("kji", shape, strict=True)},
        "stored_bits": float(array.dtype.itemsize * 8),
        "non_finite": float(n_bad),
    }
    if values.ndim == 2:
        return Volume(values, None, None, facts)
    ras = from_display(values)
    return Volume(as_image(ras, path)[0] if 1 in ras.shape else ras, None, None, facts)
