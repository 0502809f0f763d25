"""Classical methods that the networks must beat, each with a small grid chosen on the validation part."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Reference:
    """A classical method.

    Attributes
    ----------
    title : as it stands in reports.
    grid : settings to try; the first of the best on validation wins.
    make : builds an unfitted scikit-learn estimator from settings and a seed. It is fed `[n, features]`.
    features : name of a feature extractor of the task, or None for the flattened image.
    suspicion : what has to be feared where it beats an uninformed answer, or "": a part of a sentence.
    """

    title: str
    grid: tuple[dict[str, Any], ...]
    make: Callable[..., Any]
    features: str | None = None
    suspicion: str = ""


def _nearest_neighbours(seed: int, **settings: Any) -> Any:
    from sklearn.neighbors import KNeighborsClassifier

    return KNeighborsClassifier(**settings)


def _svm(seed: int, **settings: Any) -> Any:
    from sklearn.svm import SVC

    # Ties broken by the decision function, so that the class predicted is the one of the highest score.
    return SVC(break_ties=True, random_state=seed, **settings)


def _logistic(seed: int, **settings: Any) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(random_state=seed, **settings)


def _scaled(make: Callable[..., Any], **fixed: Any) -> Callable[..., Any]:
    """An estimator behind features of mean 0 and deviation 1."""

    def pipeline(seed: int, **settings: Any) -> Any:
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        return make_pipeline(StandardScaler(), make(seed, **fixed, **settings))

    return pipeline


def _whitened(make: Callable[..., Any], **fixed: Any) -> Callable[..., Any]:
    """An estimator behind the principal components that hold a `share` of the variance."""

    def pipeline(seed: int, share: float, **settings: Any) -> Any:
        from sklearn.decomposition import PCA
        from sklearn.pipeline import make_pipeline

        pca = PCA(share, whiten=True, svd_solver="full")
        return make_pipeline(pca, make(seed, **fixed, **settings))

    return pipeline


REFERENCES = {
    "nearest_neighbours": Reference(
        "Nearest neighbours", tuple({"n_neighbors": k} for k in (1, 3, 5)), _nearest_neighbours
    ),
    "logistic_regression": Reference(
        "Logistic regression", tuple({"C": c} for c in (0.01, 0.1, 1.0)), _scaled(_logistic, max_iter=300)
    ),
    "rbf_svm": Reference("RBF SVM", tuple({"C": c, "gamma": "scale"} for c in (10.0, 1.0, 100.0)), _svm),
    "binding_ratios_svm": Reference(
        "Binding ratios + SVM",
        tuple({"C": c} for c in (1.0, 10.0, 0.1)),
        _scaled(_svm, class_weight="balanced"),
        "binding_ratios",
    ),
    "binding_ratios_logistic": Reference(
        "Binding ratios + logistic regression",
        tuple({"C": c} for c in (1.0, 10.0, 0.1)),
        _scaled(_logistic, max_iter=2000, class_weight="balanced"),
        "binding_ratios",
    ),
    "pca_svm": Reference(
        "PCA + SVM on intensities",
        tuple({"share": k, "C": c} for k in (0.8, 0.95) for c in (1.0, 10.0)),
        _whitened(_svm, class_weight="balanced"),
    ),
    "pca_logistic": Reference(
        "PCA + logistic regression on intensities",
        tuple({"share": k, "C": c} for k in (0.8, 0.95) for c in (0.1, 1.0)),
        _whitened(_logistic, max_iter=1000, class_weight="balanced"),
    ),
    "hand_made_features": Reference(
        "Histogram and asymmetry + logistic regression",
        tuple({"C": c} for c in (0.1, 1.0, 0.01)),
        _scaled(_logistic, max_iter=2000, class_weight="balanced"),
        "hand_made",
    ),
    "scanner_features": Reference(
        "Background and header alone",
        tuple({"C": c} for c in (0.1, 1.0)),
        _scaled(_logistic, max_iter=2000, class_weight="balanced"),
        "scanner",
        suspicion="the scanners differ between the classes, and a network may have learned the scanner",
    ),
}


def probabilities(estimator: Any, x: np.ndarray, n_classes: int) -> np.ndarray:
    """Class probabilities `[n, n_classes]` of a fitted estimator.

    An SVM has none: the softmax of its decision values stands in, which orders the classes as the SVM does
    but is not calibrated.
    """
    if hasattr(estimator, "predict_proba"):
        scores = np.asarray(estimator.predict_proba(x), np.float64)
    else:
        decision = np.asarray(estimator.decision_function(x), np.float64)
        if decision.ndim == 1:
            decision = np.stack([-decision, decision], axis=1)
        exponentials = np.exp(decision - decision.max(axis=1, keepdims=True))
        scores = exponentials / exponentials.sum(axis=1, keepdims=True)
    result = np.zeros((len(x), n_classes))
    result[:, np.asarray(estimator.classes_, int)] = scores
    return result
