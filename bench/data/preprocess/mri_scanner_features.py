"""What a scan shows of its scanner without its brain: the header and the noise of the background.

Many small sets take their normals from one scanner and their tumours from another. A classifier on these
features that beats chance says that a network may have learned the scanner.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import ndimage

from bench.data.caches.memory_maps import passing
from bench.data.preprocess.mri_mask import brain_mask

BACKGROUND_FEATURE_NAMES: tuple[str, ...] = (
    "background median, logarithm",
    "background standard deviation, logarithm",
    "background skewness",
    "share of zeros in the background",
    "neighbouring background pixels, correlation",
)


def scanner_features(
    x: np.ndarray, headers: Sequence[Mapping[str, float | str]] | None = None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Features of the background, and of the header where there is one.

    `x` is `[n, depth, height, width, 1]` *before* preprocessing: masking or normalising takes the background
    away. It is read a volume at a time. `headers` are `n` headers' facts; see `header_features`.

    Returns float32 `[n, k]`, and the names of the k columns.
    """
    values = np.empty((len(x), len(BACKGROUND_FEATURE_NAMES)), dtype=np.float32)
    for index, volume in enumerate(passing(x)):
        values[index] = background_features(volume[..., 0])
    if not headers:
        return values, BACKGROUND_FEATURE_NAMES
    table, names = header_features(headers)
    return np.concatenate([values, table], axis=1), BACKGROUND_FEATURE_NAMES + names


def header_features(headers: Sequence[Mapping[str, float | str]]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Table of header facts, float32 `[n, k]`, and the names of its columns; what a header lacks is -1.

    Numbers become a column, texts a column for each text.
    Of the count of voxels that are not finite, only whether there are any is a column: in files that are NaN
    outside of the brain, the count is the brain's size.
    """
    import pandas as pd  # by the processes alone that look at headers

    table = pd.DataFrame(headers)
    if "non_finite" in table:
        table["has_non_finite"] = np.sign(table.pop("non_finite"))
    numbers = table.select_dtypes("number").sort_index(axis=1)
    texts = table.select_dtypes(exclude="number").sort_index(axis=1)
    if len(texts.columns):
        numbers = numbers.join(pd.get_dummies(texts, prefix_sep=" is ", dtype=float))
    values = np.nan_to_num(numbers.to_numpy(np.float32), nan=-1, posinf=-1, neginf=-1)
    return values, tuple(numbers.columns)


def background_features(volume: np.ndarray) -> np.ndarray:
    """Noise of the air around the head, float32 `[len(BACKGROUND_FEATURE_NAMES)]`.

    Air is what lies at least 3 pixels outside the brain mask in its slice. Where the head fills the image,
    the darkest hundredth of the volume stands in.
    """
    volume = np.asarray(volume, dtype=np.float32)
    outside = ~ndimage.maximum_filter(brain_mask(volume), (1, 7, 7), mode="constant")
    air = volume[outside].astype(np.float64)
    if air.size < 16:
        air = np.sort(volume, axis=None)[: max(16, volume.size // 100)].astype(np.float64)
    deviation, from_mean = air.std(), air - air.mean()
    centred = np.where(outside, volume - air.mean(), 0.0)
    pairs = outside[:, :, 1:] & outside[:, :, :-1]
    varied = deviation > 0
    return np.array(
        [
            np.log(max(abs(np.median(air)), 1e-6)),
            np.log(max(deviation, 1e-6)),
            np.mean(from_mean * from_mean * from_mean) / deviation**3 if varied else 0.0,
            np.mean(air == 0),
            np.mean((centred[:, :, 1:] * centred[:, :, :-1])[pairs]) / deviation**2
            if varied and pairs.any()
            else 0.0,
        ],
        dtype=np.float32,
    )
