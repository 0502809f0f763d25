"""The lower confidence bound against scikit-learn's predictions and SciPy's differences."""

import numpy as np
import pytest
import scipy.optimize
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern

from tuning.acquisition import LowerBound, minimise

BETA = 2.6


@pytest.fixture(scope="module")
def process() -> GaussianProcessRegressor:
    """A process that has seen 40 points of a bowl with noise, in four dimensions."""
    rng = np.random.default_rng(0)
    x = rng.random((40, 4))
    y = ((x - 0.3) ** 2).sum(axis=1) + 0.02 * rng.standard_normal(40)
    return GaussianProcessRegressor(Matern(nu=2.5), alpha=1e-4, normalize_y=True, random_state=1).fit(x, y)


def test_the_bound_is_that_of_scikit_learn(process):
    bound = LowerBound(process, BETA)
    for x in np.random.default_rng(1).random((50, 4)):
        mean, deviation = process.predict(x[None], return_std=True)
        assert bound(x)[0] == pytest.approx(float(mean[0] - BETA * deviation[0]), abs=1e-8)


def test_the_gradient_is_that_of_differences(process):
    bound = LowerBound(process, BETA)
    for x in np.random.default_rng(2).random((20, 4)):
        differences = scipy.optimize.approx_fprime(x, lambda at: bound(at)[0], 1e-6)
        np.testing.assert_allclose(bound(x)[1], differences, rtol=1e-3, atol=1e-4)


def test_the_minimum_is_no_worse_than_that_of_a_search_without_gradients(process):
    starts = np.random.default_rng(3).random((20, 4))
    bound = LowerBound(process, BETA)
    found = minimise(process, BETA, starts)
    assert np.all((found >= 0) & (found <= 1))
    others = [
        scipy.optimize.minimize(lambda at: bound(at)[0], start, bounds=[(0, 1)] * 4, method="L-BFGS-B").fun
        for start in starts
    ]
    assert bound(found)[0] <= min(others) + 1e-6


def test_a_point_that_was_seen_has_a_finite_gradient(process):
    value, gradient = LowerBound(process, BETA)(process.X_train_[0])
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
