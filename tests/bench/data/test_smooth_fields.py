"""Smooth random fields against lines and a direct sum."""

import numpy as np
import pytest

from bench.data.generators.smooth import smooth_field, spline_matrix
from bench.data.preprocess.mri_resample import apply_along_axes


@pytest.mark.parametrize(("n_points", "n_knots"), [(17, 4), (64, 9), (1, 5)])
def test_constant_coefficients_give_a_constant(n_points: int, n_knots: int) -> None:
    np.testing.assert_allclose(spline_matrix(n_points, n_knots).sum(axis=1), 1.0, atol=1e-6)


def test_linear_coefficients_give_a_line() -> None:
    # cubic B-splines reproduce polynomials of degree one exactly, at the knots' own coordinates
    values = spline_matrix(21, 8) @ np.arange(8.0)
    np.testing.assert_allclose(values, np.linspace(1.0, 6.0, 21), atol=1e-5)


def test_separable_product_is_the_full_sum() -> None:
    rng = np.random.default_rng(0)
    volume = rng.standard_normal((4, 5, 6))
    a, c = rng.standard_normal((7, 4)), rng.standard_normal((3, 6))
    np.testing.assert_allclose(
        apply_along_axes(volume, (a, None, c)), np.einsum("ai,ck,ijk->ajc", a, c, volume), atol=1e-12
    )


def test_field_has_unit_spread_and_no_mean() -> None:
    fields = np.stack(
        [smooth_field(np.random.default_rng(seed), (12, 14, 10), (5, 6, 5)) for seed in range(300)]
    )
    assert fields.std() == pytest.approx(1.0, abs=0.05)
    assert fields.mean() == pytest.approx(0.0, abs=0.05)


def test_fewer_knots_are_smoother() -> None:
    def roughness(n_knots: int) -> float:
        return float(np.abs(np.diff(smooth_field(np.random.default_rng(1), (64, 64), (n_knots,) * 2))).mean())

    assert roughness(5) < 0.6 * roughness(20)


def test_too_few_knots() -> None:
    with pytest.raises(ValueError, match="at least 4"):
        spline_matrix(10, 3)
