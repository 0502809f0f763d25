"""A picture of a dataset of slices: some samples of each class, a class a row."""

import numpy as np

from bench.data.dataset import Dataset


def montage(dataset: Dataset, per_class: int = 8, border: int = 1) -> np.ndarray:
    """Tile the first samples of each class, one row of tiles a class.

    Parameters
    ----------
    dataset : with `x` `[n, height, width, 1]`.
    per_class : tiles in a row; a class with fewer samples leaves the rest black.
    border : white pixels between tiles.

    Returns
    -------
    `[n_classes * (height + border) - border, per_class * (width + border) - border]` float32 in 0..1,
    every tile scaled by its own 99.8th percentile, as a reader of SPECT windows each scan.
    """
    height, width = dataset.x.shape[1:3]
    n_classes = len(dataset.classes)
    canvas = np.ones(
        (n_classes * (height + border) - border, per_class * (width + border) - border), np.float32
    )
    for label in range(n_classes):
        chosen = np.flatnonzero(dataset.y == label)[:per_class]
        for column in range(per_class):
            top, left = label * (height + border), column * (width + border)
            tile = np.zeros((height, width), np.float32)
            if column < len(chosen):
                tile = np.asarray(dataset.x[chosen[column], ..., 0])
                tile = np.clip(tile / max(float(np.percentile(tile, 99.8)), 1e-6), 0, 1)
            canvas[top : top + height, left : left + width] = tile
    return canvas
