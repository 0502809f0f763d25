"""The temperature is the best one where there are many subjects, and close to 1 where there are few."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from bench.deploy.calibration import fit_temperature, log_loss, scaled


def overconfident(n, sharpness, seed=0):
    """Answers whose true probabilities are those of logits `sharpness` times smaller."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(n, 4)) * 1.5
    y = np.array([random.choice(4, p=row) for row in softmax(logits, axis=1)])
    return y, sharpness * logits


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 3.0])
def test_with_many_subjects_it_is_the_optimum_of_another_optimiser(sharpness):
    y, logits = overconfident(4000, sharpness)

    def loss(inverse):
        return -log_softmax(logits * inverse[0], axis=1)[np.arange(len(y)), y].mean()

    expected = 1 / minimize(loss, [1.0], method="BFGS").x[0]
    found = fit_temperature(y, softmax(logits, axis=1), np.arange(len(y)))
    assert found == pytest.approx(expected, rel=5e-3)
    assert found == pytest.approx(sharpness, rel=0.1)


def test_few_subjects_move_it_little():
    y, logits = overconfident(400, 3.0)
    found = [fit_temperature(y[:n], softmax(logits[:n], axis=1), np.arange(n)) for n in (1, 10, 400)]
    assert abs(np.log(found[0])) < abs(np.log(found[1])) < np.log(3)
    assert found[2] == pytest.approx(3, rel=0.25)


def test_the_samples_of_a_subject_count_as_one():
    y, logits = overconfident(60, 3.0)
    subjects, probabilities = np.arange(60), softmax(logits, axis=1)
    repeated = [np.repeat(part, 5, axis=0) for part in (y, probabilities, subjects)]
    assert fit_temperature(*repeated) == pytest.approx(fit_temperature(y, probabilities, subjects), rel=1e-4)


def test_scaling_divides_the_logits_and_never_changes_the_class():
    y, logits = overconfident(50, 2.0)
    found = scaled(softmax(logits, axis=1), 2.0)
    np.testing.assert_allclose(found, softmax(logits / 2, axis=1), atol=1e-9)
    np.testing.assert_array_equal(found.argmax(axis=1), logits.argmax(axis=1))
    assert log_loss(y, found).mean() < log_loss(y, softmax(logits, axis=1)).mean()


def test_certain_and_wrong_is_finite():
    y, probabilities = np.array([0, 1]), np.array([[0.0, 1.0], [0.0, 1.0]])
    assert np.isfinite(fit_temperature(y, probabilities, np.arange(2)))
    assert np.isfinite(log_loss(y, probabilities)).all()
