"""What each metric is, in scikit-learn's terms: functions of `y` `[n]` and `probabilities` `[n, classes]`.

A class that is absent from `y` is left out of every mean over classes: nothing can be said of it.
"""

from collections.abc import Callable

import numpy as np

# Predictions are made in float32, where a probability below this cannot be told from none.
SMALLEST_PROBABILITY = float(np.finfo(np.float32).eps)

# Equal-width bins of confidence, as in Guo et al. 2017, with ten rather than fifteen for small sets.
CALIBRATION_BINS = 10


def _of_classes(name: str) -> Callable[[np.ndarray, np.ndarray], float]:
    """A function of scikit-learn's of true and predicted classes."""

    def compute(y: np.ndarray, probabilities: np.ndarray) -> float:
        import sklearn.metrics

        return getattr(sklearn.metrics, name)(y, probabilities.argmax(axis=1))

    return compute


accuracy = _of_classes("accuracy_score")
balanced_accuracy = _of_classes("balanced_accuracy_score")  # unadjusted for chance
mcc = _of_classes("matthews_corrcoef")  # Gorodkin 2004 for several classes; zero where it is 0/0


def macro_f1(y: np.ndarray, probabilities: np.ndarray) -> float:
    """The mean over the classes in `y` of F1; a class that is never predicted has F1 zero."""
    from sklearn.metrics import f1_score

    return f1_score(y, probabilities.argmax(axis=1), labels=np.unique(y), average="macro", zero_division=0)


def auc(y: np.ndarray, probabilities: np.ndarray) -> float:
    """Area under the ROC curve: of class 1 for two classes, one-vs-rest macro for more; nan for one class."""
    from sklearn.metrics import roc_auc_score

    columns = [1] if probabilities.shape[1] == 2 else range(probabilities.shape[1])
    areas = [
        roc_auc_score(y == column, probabilities[:, column])
        for column in columns
        if 0 < np.count_nonzero(y == column) < len(y)
    ]
    return float(np.mean(areas)) if areas else float("nan")


def log_loss(y: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean negative log likelihood in nats, probabilities clipped to float32's epsilon."""
    from sklearn.metrics import log_loss as sklearn_log_loss

    return sklearn_log_loss(y, clip(probabilities), labels=np.arange(probabilities.shape[1]))


def clip(probabilities: np.ndarray) -> np.ndarray:
    """Raise probabilities to float32's epsilon and let rows sum to one again."""
    clipped = np.clip(probabilities, SMALLEST_PROBABILITY, None)
    return clipped / clipped.sum(axis=1, keepdims=True)


def brier(y: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean squared error of the probabilities: of class 1 for two classes (0 to 1), summed over classes
    for more (0 to 2; Brier 1950). The convention of scikit-learn's `brier_score_loss`."""
    return float(squared_errors(y, probabilities).mean())


def squared_errors(y: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """The Brier score of each sample, `[n]`."""
    one_hot = np.eye(probabilities.shape[1])[y]
    errors = np.square(probabilities - one_hot).sum(axis=1)
    return errors / 2 if probabilities.shape[1] == 2 else errors


def calibration_error(y: np.ndarray, probabilities: np.ndarray) -> float:
    """Expected calibration error of the predicted class in ten equal bins of confidence.

    The mean over samples of |accuracy - confidence| of their bin (Guo et al. 2017, On Calibration of
    Modern Neural Networks, section 2). Beware in small sets: it is biased upwards, since a bin's accuracy
    scatters around its confidence even for a perfectly calibrated model. With m samples in a bin at
    confidence c the scatter alone gives about sqrt(2 c (1 - c) / (pi m)): 0.08 for ten samples at 0.9. So
    compare it between models on the same samples only, and do not read its level below some hundreds
    of samples (Nixon et al. 2019, Measuring Calibration in Deep Learning; Roelofs et al. 2022).
    """
    bins = confidence_bins(probabilities)
    correct = probabilities.argmax(axis=1) == y
    gaps = np.bincount(bins, correct - probabilities.max(axis=1), minlength=CALIBRATION_BINS)
    return float(np.abs(gaps).sum() / len(y))


def confidence_bins(probabilities: np.ndarray) -> np.ndarray:
    """The bin of each sample's highest probability, int `[n]`."""
    return np.minimum((probabilities.max(axis=1) * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)


def quadratic_weighted_kappa(y: np.ndarray, probabilities: np.ndarray) -> float:
    """Cohen's kappa with quadratic weights, for ordered classes such as stages; nan for one class only."""
    from sklearn.metrics import cohen_kappa_score

    labels = np.arange(probabilities.shape[1])
    return cohen_kappa_score(y, probabilities.argmax(axis=1), labels=labels, weights="quadratic")


def class_sensitivity(y: np.ndarray, probabilities: np.ndarray, column: int) -> float:
    """Recall of one class; nan where it is absent."""
    if column >= probabilities.shape[1]:
        raise ValueError(f"class {column} of {probabilities.shape[1]}")
    found = probabilities.argmax(axis=1)[y == column] == column
    return float(found.mean()) if len(found) else float("nan")
