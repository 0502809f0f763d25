"""Variations of images against SciPy's, and the promises that a replay rests on."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage
from scipy.interpolate import BSpline

from tuning.augment import STRENGTHS, Augmentation, _blur, _fold, _interpolation_matrix, _uniform

SEED = tf.constant([3, 5])


def vary(x: np.ndarray, seed=SEED, **strengths: float) -> np.ndarray:
    augmentation = Augmentation(tuple(strengths))
    return augmentation(tf.constant(x), {k: tf.Variable(v) for k, v in strengths.items()}, seed).numpy()


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(6, 17, 14, 2))
    return ndimage.gaussian_filter(noise, (0, 1.5, 1.5, 0)).astype(np.float32)


@pytest.mark.parametrize("shape", [(4, 16, 16, 1), (3, 17, 14, 2), (2, 5, 12, 9, 1)])
def test_without_strength_nothing_changes(shape):
    x = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    np.testing.assert_allclose(vary(x, **dict.fromkeys(STRENGTHS, 0.0)), x, atol=2e-6)


def test_the_same_seed_gives_the_same_variation(images):
    strengths = dict.fromkeys(STRENGTHS, 0.2)
    once, again = vary(images, **strengths), vary(images, **strengths)
    np.testing.assert_array_equal(once, again)
    assert np.abs(vary(images, tf.constant([3, 6]), **strengths) - once).mean() > 0.01


@pytest.mark.parametrize("name", STRENGTHS)
def test_every_variation_does_something_and_images_vary_on_their_own(name, images):
    same = np.repeat(images[:1], 16, axis=0)
    varied = vary(same, **{name: 5.0 if name == "rotation_degrees" else 0.3})
    changes = np.abs(varied - same).mean(axis=(1, 2, 3))
    assert changes.max() > 1e-3
    assert changes.std() > 1e-4


def test_all_slices_of_a_volume_are_varied_alike():
    slice_ = ndimage.gaussian_filter(np.random.default_rng(2).normal(size=(2, 1, 12, 10, 1)), (0, 0, 1, 1, 0))
    volume = np.repeat(slice_, 5, axis=1).astype(np.float32)
    varied = vary(
        volume, rotation_degrees=20.0, shift=0.1, zoom=0.2, elastic=0.05, flip=0.5, gain=0.2, blur=0.5
    )
    assert varied.shape == volume.shape
    assert np.abs(varied - volume).max() > 0.05
    np.testing.assert_allclose(varied, np.repeat(varied[:, :1], 5, axis=1), atol=1e-5)


def test_the_order_of_slices_and_channels_is_kept():
    volume = np.arange(2 * 3 * 4 * 5 * 2, dtype=np.float32).reshape(2, 3, 4, 5, 2)
    np.testing.assert_array_equal(vary(volume, flip=1.0), volume[:, :, :, ::-1])


def test_mirroring_is_along_all_axes_but_the_width():
    volume = np.arange(2 * 3 * 4 * 5 * 2, dtype=np.float32).reshape(2, 3, 4, 5, 2)
    np.testing.assert_array_equal(vary(volume, mirror=1.0), volume[:, ::-1, ::-1])
    np.testing.assert_array_equal(vary(volume[:, 0], mirror=1.0), volume[:, 0, ::-1])
    many = vary(np.repeat(volume[:1], 64, axis=0), mirror=0.5)
    assert len(np.unique(many.reshape(64, -1), axis=0)) == 4  # each axis on its own


@pytest.mark.parametrize("strengths", [{"rotation_degrees": 25.0}, {"shift": 0.15}, {"zoom": 0.3}])
def test_affine_variations_equal_scipy(images, strengths):
    """With the random numbers that were drawn, SciPy's bilinear `affine_transform` gives the same images."""
    draws = 2 * _uniform(SEED, 0, [len(images), 6, 1, 1]).numpy()[:, :, 0, 0] - 1
    varied = vary(images, **strengths)
    sides = np.array(images.shape[1:3])
    centre = (sides - 1) / 2
    for image, found, draw in zip(images, varied, draws, strict=True):
        angle = np.deg2rad(strengths.get("rotation_degrees", 0.0) * draw[0])
        zoom = 1 + strengths.get("zoom", 0.0) * 0.5 * (draw[3] + draw[4:6])
        rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        matrix = np.diag(zoom) @ rotation
        offset = centre - matrix @ centre + strengths.get("shift", 0.0) * sides * draw[1:3]
        for channel in range(2):
            expected = ndimage.affine_transform(image[..., channel], matrix, offset, order=1, mode="nearest")
            np.testing.assert_allclose(found[..., channel], expected, atol=1e-4)


def test_the_elastic_field_is_a_cubic_spline_and_warps_as_scipy_does(images):
    strength = 0.06
    height, width = images.shape[1:3]
    points = tf.random.stateless_normal([len(images), 2, 4, 4], _fold(SEED, 5), alg="philox").numpy()

    def basis(size: int) -> np.ndarray:
        """Weights of the control points from SciPy's B-spline, in place of the closed form."""
        spline = BSpline.basis_element(np.arange(-2, 3), extrapolate=False)
        position = np.linspace(0.5, 2.5, size)[:, None] - np.arange(4)
        weights = np.nan_to_num(spline(position))
        return weights / weights.sum(axis=1, keepdims=True)

    np.testing.assert_allclose(_interpolation_matrix(height), basis(height), atol=1e-6)
    varied = vary(images, elastic=strength)
    grid = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij")).astype(float)
    for image, found, point in zip(images, varied, points, strict=True):
        field = np.stack([basis(height) @ part @ basis(width).T for part in point])
        where = grid + strength * np.array([height, width])[:, None, None] * field
        expected = ndimage.map_coordinates(image[..., 0], where, order=1, mode="nearest")
        np.testing.assert_allclose(found[..., 0], expected, atol=1e-4)


def test_the_blur_is_binomial(images):
    kernel = np.array([1, 4, 6, 4, 1]) / 16
    expected = ndimage.correlate1d(images, kernel, axis=1, mode="reflect")
    expected = ndimage.correlate1d(expected, kernel, axis=2, mode="reflect")
    np.testing.assert_allclose(_blur(tf.constant(images)).numpy(), expected, atol=1e-5)


def test_flips_have_their_probability_and_mirror_left_and_right():
    x = np.random.default_rng(0).normal(size=(2000, 3, 4, 1)).astype(np.float32)
    varied = vary(x, flip=0.3)
    flipped = (varied == x[:, :, ::-1]).all(axis=(1, 2, 3))
    kept = (varied == x).all(axis=(1, 2, 3))
    assert (flipped ^ kept).all()
    assert abs(flipped.mean() - 0.3) < 0.04


def test_gain_and_noise_stay_within_their_strengths():
    x = np.random.default_rng(0).normal(2.0, 3.0, size=(500, 8, 8, 1)).astype(np.float32)
    varied = vary(x, gain=0.2)
    for image, found in zip(x, varied, strict=True):
        slope, offset = np.polyfit(image.ravel(), found.ravel(), 1)
        assert 0.8 <= slope <= 1.2
        assert abs(offset) <= 0.2 * image.std() * 1.001
    added = vary(x, noise=0.5) - x
    share = added.std(axis=(1, 2, 3)) / x.std(axis=(1, 2, 3))
    assert share.max() < 0.5 * 1.4
    assert abs(share.mean() - 0.25) < 0.02  # a uniform draw of half the strength on average
    assert abs(added.mean()) < 0.02


def test_an_unknown_variation_is_named():
    with pytest.raises(ValueError, match=r"unknown augmentation \['cutout'\]; known: rotation_degrees"):
        Augmentation(("shift", "cutout"))
