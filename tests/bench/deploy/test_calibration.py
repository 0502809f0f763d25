"""The temperature is the best one where there are many subjects, and close to 1 where there are few."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from bench.deploy import calibration
from bench.deploy.calibration import fit_temperature, log_loss, scaled


def overconfident(n, sharpness, seed=0):
    """Answers whose true probabilities are those of logits `sharpness` times smaller."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(n, 4)) * 1.5
    y = (softmax(logits, axis=1).cumsum(axis=1) > random.random((n, 1))).argmax(axis=1)
    return y, sharpness * logits


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 3.0])
def test_with_many_subjects_it_is_the_optimum_of_another_optimiser(sharpness, monkeypatch):
    y, logits = overconfident(4000, sharpness)

    def loss(inverse):
        return -log_softmax(logits * inverse[0], axis=1)[np.arange(len(y)), y].mean()

    expected = 1 / minimize(loss, [1.0], method="BFGS").x[0]
    probabilities, subjects = softmax(logits, axis=1), np.arange(len(y))
    found = fit_temperature(y, probabilities, subjects)
    monkeypatch.setattr(calibration, "CAUTION", 0)
    assert fit_temperature(y, probabilities, subjects) == pytest.approx(expected, rel=5e-3)
    assert found == pytest.approx(sharpness, rel=0.1)
    assert abs(np.log(found)) <= abs(np.log(expected))


def test_few_subjects_move_it_little_and_one_not_at_all():
    y, logits = overconfident(400, 3.0)
    found = [fit_temperature(y[:n], softmax(logits[:n], axis=1), np.arange(n)) for n in (1, 30, 400)]
    assert found[0] == 1
    assert 1 < found[1] < found[2] < 3.3
    assert found[2] > 2.2


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 2.0])
def test_the_log_loss_of_others_is_rarely_worse(sharpness):
    """Thirty networks with eighty validation subjects each: most gain, and few lose more than a trifle."""
    changes = []
    for seed in range(30):
        y, logits = overconfident(80, sharpness, seed)
        others, theirs = overconfident(500, sharpness, 1000 + seed)
        temperature = fit_temperature(y, softmax(logits, axis=1), np.arange(80))
        before = softmax(theirs, axis=1)
        changes.append((log_loss(others, scaled(before, temperature)) - log_loss(others, before)).mean())
    assert np.mean(changes) < (3e-3 if sharpness == 1 else -0.02)
    assert np.mean(np.array(changes) > 2e-3) <= 0.2


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
