"""Crop, normalisation and regions of the `spect` task."""

import numpy as np
import pytest

from bench.data.generators import spect
from bench.data.preprocess.spect import NORMALISATIONS, central_crop, preprocess
from bench.data.preprocess.spect_binding_ratios import binding_ratios, place, reference_uptake
from bench.data.preprocess.spect_grid import X_MM, Y_MM


@pytest.fixture(scope="module")
def images():
    return spect.generate(spect.study(normal=True), 30, seed=3).x


def ellipse(x, y, long, short):
    return ((X_MM[None] - x) / short) ** 2 + ((Y_MM[:, None] - y) / long) ** 2 <= 1


def test_crop_holds_the_striatum_in_its_middle(images):
    crop = central_crop(images)
    assert crop.shape == (30, 50, 50, 1)
    np.testing.assert_array_equal(crop[:, 25, 25], images[:, 43, 45])  # 4 mm before, on the midline
    mean = np.clip(crop.mean(0)[..., 0] - 2 * np.median(crop.mean(0)), 0, None)
    middle = [(mean * np.arange(50)[:, None]).sum(), (mean * np.arange(50)).sum()] / mean.sum()
    np.testing.assert_allclose(middle, 24.5, atol=2.5)


@pytest.mark.parametrize("crop", [True, False])
@pytest.mark.parametrize("normalisation", NORMALISATIONS)
def test_every_choice_is_of_each_image_alone(images, crop, normalisation):
    together = preprocess(images, crop=crop, normalisation=normalisation)
    assert together.dtype == np.float32
    assert together.shape == ((30, 50, 50, 1) if crop else (30, 109, 91, 1))
    alone = preprocess(images[7:8], crop=crop, normalisation=normalisation)
    np.testing.assert_allclose(alone[0], together[7], rtol=1e-5, atol=1e-5)
    if normalisation != "none":  # gain does not matter
        np.testing.assert_allclose(
            preprocess(images * 37, crop=crop, normalisation=normalisation), together, rtol=1e-3, atol=1e-4
        )
    assert np.isfinite(preprocess(np.zeros_like(images), crop=crop, normalisation=normalisation)).all()
    assert len(preprocess(images[:0], crop=crop, normalisation=normalisation)) == 0


def test_normalisations_do_what_they_say(images):
    z = preprocess(images, normalisation="zscore")
    np.testing.assert_allclose(z.mean((1, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(z.std((1, 2, 3)), 1, atol=1e-4)
    p = preprocess(images, crop=False, normalisation="percentile")
    assert p.min() == 0
    assert p.max() == 1
    low, high = np.percentile(images[2], [1, 99.5])
    np.testing.assert_allclose(p[2], np.clip((images[2] - low) / (high - low), 0, 1), atol=1e-4)
    o = preprocess(images, crop=False, normalisation="occipital")
    occipital = o[:, ..., 0][:, ellipse(0, -84, 12, 32)]
    np.testing.assert_allclose(occipital.mean(axis=1), 0, atol=1e-4)


def test_wrong_choices_are_named(images):
    with pytest.raises(ValueError, match="minmax"):
        preprocess(images, normalisation="minmax")
    with pytest.raises(ValueError, match="expected"):
        preprocess(images[:, :50])
    with pytest.raises(ValueError, match="pons"):
        binding_ratios(images, "pons")


def test_ratios_of_a_drawn_phantom_are_those_drawn():
    image = ellipse(0, -17, 90, 70).astype(np.float32) * 10
    drawn = {(-12.5, 12): 3.0, (12.5, 12): 2.0, (-25, 2): 1.5, (25, 2): 0.5}
    for (x, y), ratio in drawn.items():
        tilt = np.deg2rad(20 if abs(x) < 20 else -17)
        long, short = (11, 7.5) if abs(x) < 20 else (17, 7)
        dx, dy = np.sign(x) * (X_MM[None] - x), Y_MM[:, None] - y
        along = (np.sin(tilt) * dx + np.cos(tilt) * dy) / long
        across = (np.cos(tilt) * dx - np.sin(tilt) * dy) / short
        # Where neighbours touch, the smaller region of the measurement lies well inside its own.
        image[(along**2 + across**2 <= 1) & (np.abs(np.abs(X_MM[None]) - abs(x)) < 13)] = 10 * (1 + ratio)
    for reference in ("occipital", "brain"):
        measured = binding_ratios(image[None], reference)[0]
        np.testing.assert_allclose(measured, list(drawn.values()), atol=0.25)
    np.testing.assert_allclose(binding_ratios(image[None] * 7), binding_ratios(image[None]), rtol=1e-4)
    mirrored = binding_ratios(image[None, :, ::-1])[0]
    np.testing.assert_allclose(mirrored[[1, 0, 3, 2]], binding_ratios(image[None])[0], rtol=1e-3)


def test_regions_follow_the_striatum(images):
    base, moved = place(images), place(np.roll(images, (3, -2), axis=(1, 2)))
    # Three rows down are 6 mm back, two columns to the left 4 mm to the right of the head.
    difference = moved.shift_mm - base.shift_mm
    inside = (np.abs(base.shift_mm + np.array([4, -6])) < 9).all(axis=1)
    assert inside.sum() > 20
    np.testing.assert_allclose(np.median(difference[inside], axis=0), [4, -6])
    np.testing.assert_allclose(moved.uptake[inside], base.uptake[inside], rtol=0.02)


def test_blocks_do_not_matter(images):
    many = np.concatenate([images] * 10)
    np.testing.assert_allclose(binding_ratios(many)[-30:], binding_ratios(images), rtol=1e-5)
    assert binding_ratios(images[:0]).shape == (0, 4)
    assert reference_uptake(images, "brain").shape == (30,)
