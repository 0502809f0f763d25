"""Hand-made features: they see a lesion, and the scanner features see the scanner alone."""

import numpy as np
import pytest

from bench.data.preprocess.mri_features import FEATURE_NAMES, features
from bench.data.preprocess.mri_scanner_features import (
    BACKGROUND_FEATURE_NAMES,
    background_features,
    header_features,
    scanner_features,
)


def head(seed: int = 0, lesion: bool = False, shift: int = 0) -> np.ndarray:
    """A symmetric ellipsoid with a brighter middle, `shift` pixels off centre; a lesion on one side."""
    rng = np.random.default_rng(seed)
    z, y, x = np.indices((12, 48, 48)).astype(float)
    radius = np.sqrt(((z - 5.5) / 5) ** 2 + ((y - 23.5) / 19) ** 2 + ((x - 23.5 - shift) / 15) ** 2)
    volume = np.where(radius < 1, 0.7, 0.0) + np.where(radius < 0.75, 0.3, 0.0)
    if lesion:
        volume[(z - 6) ** 2 * 4 + (y - 20) ** 2 + (x - 31 - shift) ** 2 < 25] = 0.35
    return np.abs(volume + rng.normal(0, 0.01, volume.shape)).astype(np.float32)


def column(table: np.ndarray, name: str) -> np.ndarray:
    return table[:, FEATURE_NAMES.index(name)]


def test_shape_and_names() -> None:
    table = features(np.stack([head(0), head(1)])[..., None])
    assert table.shape == (2, len(FEATURE_NAMES))
    assert len(set(FEATURE_NAMES)) == len(FEATURE_NAMES)
    assert np.isfinite(table).all()
    histogram = table[:, [name.startswith("histogram") for name in FEATURE_NAMES]]
    np.testing.assert_allclose(histogram.sum(axis=1), 1.0, atol=1e-5)
    assert features(np.empty((0, 12, 48, 48, 1), np.float32)).shape == (0, len(FEATURE_NAMES))


def test_a_lesion_on_one_side_shows_as_asymmetry_also_off_centre() -> None:
    heads = [head(0), head(0, lesion=True), head(0, shift=5), head(0, lesion=True, shift=5)]
    table = features(np.stack(heads)[..., None])
    largest = column(table, "asymmetry largest, sigma 2")
    assert largest[1] > 4 * largest[0]
    assert largest[3] > 4 * largest[2]
    assert largest[2] < 2 * largest[0] + 0.05


def test_mirroring_changes_no_asymmetry() -> None:
    volume = head(3, lesion=True, shift=3)
    table = features(np.stack([volume, volume[:, :, ::-1]])[..., None])
    np.testing.assert_allclose(table[0], table[1], atol=0.02)


def test_scale_and_offset_do_not_matter() -> None:
    volume = head(2, lesion=True)
    table = features(np.stack([volume, 300 * volume + 40])[..., None])
    np.testing.assert_allclose(table[0], table[1], atol=5e-3)


def test_constant_volume_is_finite() -> None:
    assert np.isfinite(features(np.zeros((1, 6, 20, 20, 1), np.float32))).all()


def test_background_features_do_not_see_the_brain() -> None:
    np.testing.assert_allclose(
        background_features(head(0)), background_features(head(0, lesion=True)), atol=0.03
    )


def test_background_features_measure_the_noise() -> None:
    rng = np.random.default_rng(0)
    volume = head(0)
    air = volume < 0.3
    values = []
    for deviation in (0.01, 0.03):
        noisy = np.where(air, rng.rayleigh(deviation, volume.shape), volume)
        values.append(background_features(noisy))
    by_name = dict(zip(BACKGROUND_FEATURE_NAMES, np.array(values).T, strict=True))
    assert np.diff(by_name["background standard deviation, logarithm"])[0] == pytest.approx(
        np.log(3), abs=0.05
    )
    assert by_name["background skewness"][0] == pytest.approx(0.631, abs=0.15)  # of Rayleigh's distribution
    assert by_name["neighbouring background pixels, correlation"][0] == pytest.approx(0.0, abs=0.05)


def test_header_table() -> None:
    headers = [{"stored_k": 20.0, "Manufacturer": "A"}, {"stored_k": 60.0, "Manufacturer": "B", "bits": 16.0}]
    table, names = header_features(headers)
    assert names == ("bits", "stored_k", "Manufacturer is A", "Manufacturer is B")
    np.testing.assert_array_equal(table, [[-1, 20, 1, 0], [16, 60, 0, 1]])


def test_the_count_of_nan_is_no_feature() -> None:
    headers = [{"bits": 16.0, "non_finite": count} for count in (0.0, 81234.0, 95210.0)]
    table, names = header_features(headers)
    assert names == ("bits", "has_non_finite")
    np.testing.assert_array_equal(table, [[16, 0], [16, 1], [16, 1]])


def test_scanner_features_join_background_and_header() -> None:
    x = np.stack([head(0), head(1)])[..., None]
    values, names = scanner_features(x)
    assert values.shape == (2, len(BACKGROUND_FEATURE_NAMES)) == (2, len(names))
    values, names = scanner_features(x, [{"stored_k": 20.0}, {"stored_k": 60.0}])
    assert names[-1] == "stored_k"
    assert values[:, -1].tolist() == [20.0, 60.0]
    with pytest.raises(ValueError, match="must match"):
        scanner_features(x, [{"stored_k": 20.0}])
