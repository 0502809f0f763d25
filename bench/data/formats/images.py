"""PNG and JPEG, through Pillow."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from bench.data.formats.volume import Volume, stored_facts
from bench.errors import UserError

# luma of ITU-R BT.601-7, section 2.5.1: what Pillow's mode L uses, here without its rounding
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_GREY_MODES = ("L", "F", "I", "I;16", "I;16B", "I;16L", "I;16N")


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open as PNG or JPEG and nothing else: other formats of Pillow's run programs, or hold no such image."""
    try:
        with (
            warnings.catch_warnings(action="error", category=Image.DecompressionBombWarning),
            Image.open(path, formats=("PNG", "JPEG")) as image,
        ):
            if image.tile and ";16" in str(image.tile[0].args) and image.mode not in _GREY_MODES:
                found = "16 bits of colour or transparency"  # of which Pillow reads 8
                raise UserError(f"{path}: found {found}, expected grey of 16 bits, or 8 bits")
            yield image
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise UserError(
            f"{path}: found a larger image, expected at most {Image.MAX_IMAGE_PIXELS:,} pixels"
        ) from error


def probe(path: Path) -> dict[str, str]:
    """Check the file's structure without decoding the pixels."""
    with _opened(path) as image:
        image.verify()
    return {}


def read(path: Path, colour: int | None = None) -> Volume:
    """Read an 8 or 16-bit image as grey values `[height, width]`, not rescaled.

    Colour becomes luma, or one of red, green and blue by its number; transparency is dropped, since its hidden
    pixels are the image here.
    """
    weights = _LUMA if colour is None else np.eye(3, dtype=np.float32)[colour]
    with _opened(path) as opened:
        mode = opened.mode
        image = ImageOps.exif_transpose(opened)
        if mode in _GREY_MODES:
            array = np.asarray(image).astype(np.float32)
        elif mode in ("1", "LA"):
            array = np.asarray(image.convert("L"), dtype=np.float32)
        else:
            rows = np.asarray(image.convert("RGB"))
            # a row at a time: in float32, colour would take most memory
            array = np.stack([row.astype(np.float32) @ weights for row in rows])
    facts = stored_facts((*array.shape[::-1], 1), bits=16 if mode.startswith("I") else 8)
    return Volume(array, None, None, {**facts, "stored_mode": mode})
