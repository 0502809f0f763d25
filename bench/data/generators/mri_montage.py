"""A picture of brain volumes for the report: slices from below to above, and the two other cuts."""

import numpy as np

from bench.data.dataset import Dataset
from bench.data.preprocess.mri_resample import resample


def montage(dataset: Dataset, per_class: int = 3, n_slices: int = 6, border: int = 1) -> np.ndarray:
    """Tile the first samples of each class: a sample a row, classes one after the other.

    A row holds `n_slices` axial slices, evenly spaced over the middle three quarters of the depth, then the
    middle sagittal and coronal cuts. A volume is taken to be as high as its slices are long, which a brain
    nearly is.

    Parameters
    ----------
    dataset : `x` `[n, depth, height, width, 1]`, first row anterior.
    per_class : rows for each class; a class with fewer samples leaves the rest black.
    border : white pixels between tiles.

    Returns
    -------
    float32 in 0..1, `[n_classes * per_class * (height + border) - border, (n_slices + 2) * (width + border) -
    border]`; each row scaled by the percentiles 1 and 99.8 of its volume.
    """
    height, width = dataset.x.shape[2:4]
    rows, columns = len(dataset.classes) * per_class, n_slices + 2
    canvas = np.ones(
        (rows * (height + border) - border, columns * (width + border) - border), dtype=np.float32
    )
    for label in range(len(dataset.classes)):
        chosen = np.flatnonzero(dataset.y == label)[:per_class]
        for place in range(per_class):
            top = (label * per_class + place) * (height + border)
            tiles = [np.zeros((height, width), dtype=np.float32)] * columns
            if place < len(chosen):
                tiles = volume_tiles(np.asarray(dataset.x[chosen[place], ..., 0]), n_slices)
            for column, tile in enumerate(tiles):
                left = column * (width + border)
                canvas[top : top + height, left : left + width] = tile
    return canvas


def volume_tiles(volume: np.ndarray, n_slices: int) -> list[np.ndarray]:
    """Axial slices, then the middle sagittal and coronal cut; each `[height, width]`."""
    low, high = np.percentile(volume, (1.0, 99.8))
    volume = np.clip((volume - low) / max(float(high - low), 1e-12), 0.0, 1.0)
    depth, height, width = volume.shape
    places = np.rint(np.linspace(0.15, 0.85, n_slices) * (depth - 1)).astype(int)
    sagittal = volume[::-1, :, width // 2]
    coronal = volume[::-1, height // 2, :]
    return [*volume[places], resample(sagittal, (height, width)), resample(coronal, (height, width))]
