"""Builtin digits: scikit-learn's 8x8 images brought to 16x16, a stand-in for USPS."""

import numpy as np

from bench.data.dataset import Dataset, fingerprint


def load() -> Dataset:
    """Return 1,797 images `[n, 16, 16, 1]` in [-1, 1], divided by writer order into training and test.

    scikit-learn's `load_digits` is the test part of the UCI "Optical Recognition of Handwritten Digits"
    (Alpaydin and Kaynak 1998; 13 writers, written down one after the other). The images are enlarged
    bilinearly. The last 30% stand for the official test part, so that most of its writers are not among
    those trained on.
    """
    from scipy.ndimage import zoom
    from sklearn.datasets import load_digits

    source = load_digits()
    images = zoom(source.images.astype(np.float32), (1, 2, 2), order=1, grid_mode=True, mode="nearest")
    x = (images / 8.0 - 1.0)[..., None].astype(np.float32)
    y = source.target.astype(np.int64)
    test = np.arange(len(x)) >= int(0.7 * len(x))
    return Dataset(
        name="digits-standin",
        x=x,
        y=y,
        subjects=np.array([f"image{i:05d}" for i in range(len(x))]),
        classes=tuple(str(digit) for digit in range(10)),
        fingerprint=fingerprint(x, y),
        provenance=(
            "scikit-learn's bundled digits (UCI optical recognition, 8x8) enlarged to 16x16: a stand-in for "
            "USPS, not USPS. `make data TASK=digits` fetches the real ones."
        ),
        official_test=test,
        stand_in=True,
        details={"training images": str(int((~test).sum())), "test images": str(int(test.sum()))},
    )
