"""Normalisation of images of any kind."""

import numpy as np
import pytest

from bench.data.preprocess.any_image import normalise

IMAGES = np.random.default_rng(0).normal(7, 3, (3, 16, 16, 1)).astype(np.float32)


@pytest.mark.parametrize("how", ["zscore", "percentile"])
@pytest.mark.parametrize("unit", [1e-10, 1.0, 1e6])
def test_the_unit_of_an_image_does_not_matter(how, unit):
    np.testing.assert_allclose(normalise(unit * IMAGES, how), normalise(IMAGES, how), atol=1e-4)


@pytest.mark.parametrize("how", ["zscore", "percentile"])
@pytest.mark.parametrize("value", [0.0, 0.1, 1000.1])
def test_an_image_of_one_value_stays_one(how, value):
    found = normalise(np.full((2, 16, 16, 1), value, np.float32), how)
    assert np.ptp(found) == 0
    assert np.abs(found).max() < 1
