"""Metrics: hand counts, scikit-learn, absent classes; the vectorised path against scikit-learn."""

import json
import math
import subprocess
import sys

import numpy as np
import pytest
from evaluation_runs import random_run, run_of
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    brier_score_loss,
    cohen_kappa_score,
    f1_score,
    log_loss,
    matthews_corrcoef,
    roc_auc_score,
)

from bench.evaluate import metrics
from bench.evaluate.weighted_metrics import evaluate, pooled

NAMES = [name for name, metric in metrics.METRICS.items() if not metric.binary]


def test_hand_count():
    run = run_of([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 0, 2], 3)
    values = metrics.all_metrics(run.y, run.probabilities, ("early", "middle", "late"))
    assert values["accuracy"] == pytest.approx(4 / 6)
    assert values["balanced_accuracy"] == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    assert values["macro_f1"] == pytest.approx((4 / 6 + 2 / 4 + 1) / 3)
    assert values["sensitivity:early"] == pytest.approx(2 / 3)
    assert values["sensitivity:late"] == 1
    # Probabilities are 0.9 for the predicted class and 0.05 for each of the others.
    assert values["log_loss"] == pytest.approx(-(4 * math.log(0.9) + 2 * math.log(0.05)) / 6)
    assert values["brier"] == pytest.approx((4 * (0.01 + 2 * 0.0025) + 2 * (0.81 + 0.9025 + 0.0025)) / 6)
    assert values["calibration_error"] == pytest.approx(0.9 - 4 / 6)
    assert "sensitivity" not in values
    json.dumps(values, allow_nan=False)


def test_two_classes_have_sensitivity_and_specificity_of_class_one():
    run = run_of([0, 0, 0, 0, 1, 1], [0, 0, 0, 1, 1, 0], 2)
    assert metrics.score("sensitivity", run.y, run.probabilities) == pytest.approx(1 / 2)
    assert metrics.score("specificity", run.y, run.probabilities) == pytest.approx(3 / 4)
    assert metrics.score("auc", run.y, run.probabilities) == pytest.approx((3 + 0.5 + 0.5) / 8 + 1 / 8)


def test_networks_are_pooled_as_folds_are_their_scores_never_ranked_together():
    """The area of three inner folds' networks together was another estimate than that of the test."""
    y = np.array([0, 0, 1, 1])
    low, high = np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.6, 0.7, 0.8, 0.9])
    parts = [(y, np.stack([1 - p, p], axis=1)) for p in (low, high)]
    assert pooled("auc", parts) == 1
    together = np.concatenate([p for _, p in parts])
    assert metrics.score("auc", np.r_[y, y], together) == 0.75
    for name in ("balanced_accuracy", "log_loss"):
        assert pooled(name, parts) == metrics.score(name, np.r_[y, y], together)
    assert pooled("auc", parts[:1]) == metrics.score("auc", *parts[0])


@pytest.mark.parametrize("n_classes", [2, 3, 10])
def test_values_are_those_of_scikit_learn(n_classes):
    run = random_run(seed=1, n_classes=n_classes, n=200)
    y, p = run.y, run.probabilities
    predicted = p.argmax(axis=1)
    expected = {
        "accuracy": accuracy_score(y, predicted),
        "balanced_accuracy": balanced_accuracy_score(y, predicted),
        "macro_f1": f1_score(y, predicted, average="macro"),
        "auc": roc_auc_score(y, p[:, 1]) if n_classes == 2 else roc_auc_score(y, p, multi_class="ovr"),
        "mcc": matthews_corrcoef(y, predicted),
        "log_loss": log_loss(y, p),
        "brier": brier_score_loss(y, p[:, 1])
        if n_classes == 2
        else np.square(p - np.eye(n_classes)[y]).sum(1).mean(),
        "quadratic_weighted_kappa": cohen_kappa_score(y, predicted, weights="quadratic"),
    }
    for name, value in expected.items():
        assert metrics.score(name, y, p) == pytest.approx(value, rel=1e-4), name


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("n_classes", [2, 4])
def test_vectorised_values_under_weights_are_those_of_repeated_samples(name, n_classes):
    runs = [random_run(seed, n_classes, n=40, subjects_each=2) for seed in (0, 1)]
    subjects = np.unique(runs[0].subjects)
    weights = np.stack([np.ones(20), np.random.default_rng(5).integers(0, 4, 20)]).astype(float)
    values = evaluate(name, [[run] for run in runs], subjects, weights)
    for row, weight in zip(values, weights, strict=True):
        times = weight[np.searchsorted(subjects, runs[0].subjects)].astype(int)
        for value, run in zip(row, runs, strict=True):
            y, probabilities = np.repeat(run.y, times), np.repeat(run.probabilities, times, axis=0)
            assert value == pytest.approx(metrics.score(name, y, probabilities), abs=1e-12)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "auc"])
def test_folds_are_pooled(name):
    folds = [random_run(0, 3, n=30, fold=fold) for fold in range(3)]
    subjects = np.unique(np.concatenate([run.subjects for run in folds]))
    value = evaluate(name, [folds], subjects, np.ones((1, len(subjects))))[0, 0]
    y = np.concatenate([run.y for run in folds])
    assert value == pytest.approx(
        metrics.score(name, y, np.concatenate([run.probabilities for run in folds]))
    )


def test_auc_counts_pairs_within_folds():
    # Each fold ranks perfectly, on a scale of its own: pooled scores would give 0.75.
    from bench.evaluate.predictions import Run

    def fold(number, scores):
        scores = np.array(scores)
        p = np.stack([1 - scores, scores], axis=1)
        return Run(np.array([0, 1]), p, np.array([f"{number}a", f"{number}b"]), number, 0)

    folds = [fold(0, [0.1, 0.2]), fold(1, [0.8, 0.9])]
    subjects = np.array(["0a", "0b", "1a", "1b"])
    assert evaluate("auc", [folds], subjects, np.ones((1, 4)))[0, 0] == 1.0


def test_a_class_missing_from_y():
    run = run_of([0, 0, 1, 1], [0, 2, 1, 1], 3)
    values = metrics.all_metrics(run.y, run.probabilities, ("a", "b", "c"))
    assert values["balanced_accuracy"] == pytest.approx(0.75)
    assert values["macro_f1"] == pytest.approx((2 / 3 + 1) / 2)
    assert "sensitivity:c" not in values
    assert math.isnan(metrics.score("sensitivity[2]", run.y, run.probabilities))


def test_one_class_only_leaves_out_what_is_undefined():
    run = run_of([1, 1], [1, 1], 2)
    values = metrics.all_metrics(run.y, run.probabilities, ("normal", "tumour"))
    assert values["accuracy"] == 1
    assert not {"auc", "specificity", "quadratic_weighted_kappa"} & values.keys()


def test_directions_and_unknown_names():
    assert metrics.direction("accuracy") == "max"
    assert {metrics.direction(name) for name in ("log_loss", "brier", "calibration_error")} == {"min"}
    with pytest.raises(ValueError, match="'f1' is unknown, expected one of accuracy"):
        metrics.get("f1")
    with pytest.raises(ValueError, match="for two classes, found 3"):
        metrics.score("sensitivity", np.array([0]), np.ones((1, 3)) / 3)


def test_evaluation_imports_no_tensorflow():
    code = (
        "import sys, bench.evaluate.comparisons, tests.simulate; "
        "print([m for m in ('tensorflow', 'keras', 'sklearn') if m in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
