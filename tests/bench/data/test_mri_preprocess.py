"""Preprocessing of volumes, against SciPy, scikit-image's definitions by hand, and counts."""

import numpy as np
import pytest
from scipy import ndimage

from bench.data.preprocess.mri import prepare
from bench.data.preprocess.mri_intensity import (
    correct_bias,
    equalise,
    percentile_range,
    white_matter_mode,
    white_relative,
    window,
    zscore,
)
from bench.data.preprocess.mri_mask import bounding_box, brain_mask, otsu_threshold
from bench.data.preprocess.mri_resample import axis_weights, resample


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def ellipsoid(shape: tuple[int, int, int], fraction: float = 0.35) -> np.ndarray:
    grid = np.indices(shape).reshape(3, -1).T - (np.array(shape) - 1) / 2
    return (((grid / (fraction * np.array(shape))) ** 2).sum(axis=1) <= 1).reshape(shape)


@pytest.fixture
def head(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """An ellipsoid of two tissues in noise, and its mask."""
    mask = ellipsoid((24, 60, 50))
    tissue = np.where(ellipsoid((24, 60, 50), 0.25), 1000.0, 700.0)
    volume = np.where(mask, tissue, 0.0) + np.abs(rng.normal(0, 15, mask.shape))
    return volume.astype(np.float32), mask


@pytest.mark.parametrize("shape", [(20, 64, 64), (45, 30, 17), (7, 13, 40)])
@pytest.mark.parametrize(("method", "order"), [("trilinear", 1), ("nearest", 0)])
def test_resampling_is_scipys(
    rng: np.random.Generator, shape: tuple[int, int, int], method: str, order: int
) -> None:
    volume = rng.random((31, 40, 37)).astype(np.float32)
    factors = [n / m for n, m in zip(shape, volume.shape, strict=True)]
    expected = ndimage.zoom(volume, factors, order=order, mode="nearest", grid_mode=True)
    np.testing.assert_allclose(resample(volume, shape, method), expected, atol=1e-5)


def test_resampling_a_box_is_map_coordinates(rng: np.random.Generator) -> None:
    volume = rng.random((10, 12, 14)).astype(np.float32)
    box = ((1.5, 9.0), (-2.0, 13.0), (3.25, 11.0))
    shape = (5, 8, 6)
    axes = [a + (np.arange(n) + 0.5) * (b - a) / n - 0.5 for (a, b), n in zip(box, shape, strict=True)]
    expected = ndimage.map_coordinates(volume, np.meshgrid(*axes, indexing="ij"), order=1, mode="nearest")
    np.testing.assert_allclose(resample(volume, shape, "trilinear", box), expected, atol=1e-5)


@pytest.mark.parametrize("method", ["trilinear", "nearest", "area"])
@pytest.mark.parametrize(("n_in", "n_out"), [(155, 20), (20, 155), (7, 7), (1, 4)])
def test_weights_sum_to_one(method: str, n_in: int, n_out: int) -> None:
    np.testing.assert_allclose(axis_weights(n_in, n_out, method, (0, n_in)).sum(axis=1), 1.0, atol=1e-6)


def test_area_averages_where_trilinear_skips(rng: np.random.Generator) -> None:
    noise = rng.standard_normal((60, 64, 64)).astype(np.float32)
    assert (
        resample(noise, (15, 16, 16), "area").std() < 0.5 * resample(noise, (15, 16, 16), "trilinear").std()
    )


def test_otsu_minimises_the_variance_within(rng: np.random.Generator) -> None:
    values = np.concatenate([rng.normal(10, 2, 3000), rng.normal(50, 6, 1000)])

    def within(threshold: float) -> float:
        low, high = values[values <= threshold], values[values > threshold]
        return low.size * low.var() + high.size * high.var()

    candidates = np.linspace(values.min(), values.max(), 257)[1:-1]
    assert within(otsu_threshold(values)) == pytest.approx(min(map(within, candidates)), rel=1e-6)


def test_mask_finds_the_brain(head: tuple[np.ndarray, np.ndarray]) -> None:
    volume, mask = head
    volume[2, 3, 3] = 900  # a hot pixel in the air
    volume[10:13, 28:32, 22:27] = 5  # a dark cyst inside
    found = brain_mask(volume)
    dice = 2 * (found & mask).sum() / (found.sum() + mask.sum())
    assert dice > 0.97
    assert not found[2, 3, 3]
    assert found[10:13, 28:32, 22:27].all()
    np.testing.assert_array_equal(brain_mask(volume * 37.0 + 12.0), found)


@pytest.mark.parametrize("shape", [(3, 40, 50), (1, 9, 2), (2, 1, 1)])
def test_mask_is_cleaned_as_scipy_does_it(rng: np.random.Generator, shape: tuple[int, int, int]) -> None:
    bright = ndimage.gaussian_filter(rng.standard_normal(shape), (0, 1, 1)) > 0.0
    bright.flat[:2] = False, True  # there is a contrast
    cross = ndimage.generate_binary_structure(2, 1)[None]
    parts, _ = ndimage.label(ndimage.binary_opening(bright, cross))
    sizes = np.bincount(parts.ravel())[1:]
    large = np.isin(parts, 1 + np.flatnonzero(sizes >= 0.05 * sizes.max(initial=0)))
    closed = ndimage.binary_closing(np.pad(large, 3), cross, iterations=2)[3:-3, 3:-3, 3:-3]
    expected = np.stack([ndimage.binary_fill_holes(slice_) for slice_ in closed])
    found = brain_mask(bright.astype(np.float32))
    np.testing.assert_array_equal(found, expected if sizes.size else np.ones(shape, dtype=bool))


def test_a_volume_without_contrast_is_all_brain() -> None:
    assert brain_mask(np.full((4, 8, 8), 3.0, np.float32)).all()


def test_bounding_box_is_square_in_mm() -> None:
    mask = np.zeros((10, 40, 60), bool)
    mask[2:8, 10:30, 20:50] = True
    z, y, x = bounding_box(mask, (5.0, 2.0, 1.0), margin=0.0)
    assert z == (2.0, 8.0)
    assert y == (10.0, 30.0)  # 40 mm
    assert x == (15.0, 55.0)  # 30 mm, widened to 40


def test_bias_correction_removes_a_smooth_field_and_keeps_the_rim(
    head: tuple[np.ndarray, np.ndarray],
) -> None:
    volume, mask = head
    ramp = np.linspace(0.7, 1.3, 60, dtype=np.float32)[None, :, None]
    corrected = correct_bias(volume * ramp, mask)
    core = ellipsoid(volume.shape, 0.22)

    def slope(image: np.ndarray) -> float:
        rows = np.nonzero(core)[1]
        return float(np.polyfit(rows, image[core] / image[core].mean(), 1)[0])

    assert abs(slope(corrected)) < 0.35 * abs(slope(volume * ramp))
    assert corrected[mask].max() < 1.6 * corrected[mask].mean()
    assert np.log(corrected[core]).mean() == pytest.approx(np.log((volume * ramp)[core]).mean(), abs=0.15)


def test_zscore_and_percentiles_inside_the_brain(head: tuple[np.ndarray, np.ndarray]) -> None:
    volume, mask = head
    z = zscore(volume, mask)
    assert z[mask].mean() == pytest.approx(0.0, abs=1e-4)
    assert z[mask].std() == pytest.approx(1.0, abs=1e-4)
    ranged = percentile_range(volume, mask)
    np.testing.assert_allclose(np.percentile(ranged[mask], (1, 99)), (0.0, 1.0), atol=1e-4)
    windowed = window(volume, mask, (2.0, 98.0), gamma=0.5)
    low, high = np.percentile(volume[mask], (2.0, 98.0))
    np.testing.assert_allclose(windowed, np.sqrt(np.clip((volume - low) / (high - low), 0, 1)), atol=1e-3)


def test_equalised_brain_is_uniform(head: tuple[np.ndarray, np.ndarray]) -> None:
    volume, mask = head
    equal = equalise(volume, mask, n_bins=4096)
    ranks = np.argsort(np.argsort(volume[mask])) / (mask.sum() - 1)
    np.testing.assert_allclose(equal[mask], ranks, atol=0.02)


def test_white_matter_is_the_brightest_large_peak(rng: np.random.Generator) -> None:
    values = np.concatenate(
        [rng.normal(300, 30, 2000), rng.normal(700, 40, 8000), rng.normal(1000, 30, 6000)]
    )
    values = np.append(values, rng.uniform(1200, 1800, 100))  # vessels
    volume = values.astype(np.float32).reshape(10, 10, -1)
    mask = np.ones(volume.shape, bool)
    assert white_matter_mode(volume, mask) == pytest.approx(1000, abs=15)
    np.testing.assert_allclose(white_relative(7 * volume, mask), white_relative(volume, mask), rtol=1e-3)


@pytest.mark.parametrize("contrast", ["none", "window", "equalise"])
@pytest.mark.parametrize("normalisation", ["none", "zscore", "percentile", "white"])
@pytest.mark.parametrize("bias", [False, True])
def test_every_combination_is_finite_deterministic_and_leaves_the_input(
    head: tuple[np.ndarray, np.ndarray], contrast: str, normalisation: str, bias: bool
) -> None:
    volume, _ = head
    before = volume.copy()
    settings = {"bias_correction": bias, "contrast": contrast, "normalisation": normalisation}
    image = prepare(volume, (12, 32, 32), **settings)
    assert image.shape == (12, 32, 32)
    assert image.dtype == np.float32
    assert np.isfinite(image).all()
    assert image.std() > 0
    np.testing.assert_array_equal(image, prepare(volume, (12, 32, 32), **settings))
    np.testing.assert_array_equal(volume, before)


def test_brightness_of_the_scanner_does_not_matter(head: tuple[np.ndarray, np.ndarray]) -> None:
    volume, _ = head
    for normalisation in ("zscore", "percentile", "white"):
        one, other = (
            prepare(brightness * volume, (12, 32, 32), contrast="none", normalisation=normalisation)
            for brightness in (4, 1)
        )
        np.testing.assert_allclose(one, other, atol=2e-3)


def test_the_crop_ignores_the_field_of_view(head: tuple[np.ndarray, np.ndarray]) -> None:
    volume, _ = head
    shape = (12, 32, 32)
    wide = np.pad(volume, ((3, 5), (10, 2), (8, 0)), mode="wrap")
    wide[:3] = wide[-5:] = wide[:, :10] = wide[:, -2:] = wide[:, :, :8] = 5.0
    np.testing.assert_allclose(prepare(wide, shape), prepare(volume, shape), atol=0.05)


@pytest.mark.parametrize("volume", [np.zeros((6, 9, 9), np.int16), np.full((3, 5, 5), np.nan, np.float32)])
def test_degenerate_volumes_stay_finite(volume: np.ndarray) -> None:
    for bias in (False, True):
        assert np.isfinite(prepare(volume, (4, 8, 8), bias_correction=bias)).all()


def test_the_label_cannot_leak_between_subjects(head: tuple[np.ndarray, np.ndarray]) -> None:
    """What becomes of one volume does not depend on any other that was prepared before."""
    volume, _ = head
    alone = prepare(volume, (8, 16, 16))
    prepare(volume * 0.1 + 4, (8, 16, 16))
    np.testing.assert_array_equal(prepare(volume, (8, 16, 16)), alone)
