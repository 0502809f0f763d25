"""Temperature scaling: one number that makes a network as sure as it is right.

Guo et al. 2017, "On calibration of modern neural networks", ICML: logits are divided by a temperature that
minimises the log loss on samples which the network was not trained on. The class stays the same.
"""

import numpy as np
from scipy.optimize import minimize_scalar

# The logarithm of the temperature is expected to be 0, with this standard deviation, before any subject is
# seen: a factor of 1.6 up or down. A handful of subjects then moves it little, a hundred as far as they say.
PRIOR = 0.5
_LEAST = 1e-12  # probabilities below are one of float32's zeros
_BOUNDS = np.log([0.05, 20.0])


def scaled(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities `[n, classes]` as they are with logits divided by `temperature`."""
    logits = np.log(np.maximum(np.asarray(probabilities, np.float64), _LEAST)) / temperature
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def log_loss(y: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Minus the logarithm of the true class's probability, `[n]`."""
    return -np.log(np.maximum(probabilities[np.arange(len(y)), y], _LEAST))


def fit_temperature(
    y: np.ndarray, probabilities: np.ndarray, subjects: np.ndarray, prior: float = PRIOR
) -> float:
    """The temperature with the highest posterior density.

    Parameters
    ----------
    y : int `[n]`, true classes.
    probabilities : `[n, classes]`, of a network that has not seen these samples.
    subjects : `[n]`; the samples of a subject count as one.
    prior : standard deviation of the temperature's logarithm.
    """
    _, place, counts = np.unique(subjects, return_inverse=True, return_counts=True)
    weights = 1 / counts[place]

    def minus_log_posterior(log_temperature: float) -> float:
        losses = log_loss(y, scaled(probabilities, np.exp(log_temperature)))
        return float(weights @ losses + log_temperature**2 / (2 * prior**2))

    found = minimize_scalar(minus_log_posterior, bounds=_BOUNDS, method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))
