"""Intervals: Wilson's, the variance of means, the edges, and that they hold the truth."""

import math
from dataclasses import replace

import numpy as np
import pytest
from evaluation_runs import random_run, run_of
from scipy import stats

from bench.evaluate import bootstrap, variance
from bench.evaluate.bootstrap import collapse, draw, resample
from bench.evaluate.intervals import interval
from bench.evaluate.metrics import METRICS
from bench.evaluate.predictions import Run
from tests.simulate import Setting, coverage


def test_one_seed_and_one_sample_a_subject_is_nearly_wilson():
    y, n = [0, 1] * 100, 200
    predicted = [1 - label if i < 30 else label for i, label in enumerate(y)]
    found = interval([run_of(y, predicted, 2)], "accuracy")
    expected = stats.binomtest(170, n).proportion_ci(method="wilson")
    assert found.estimate == pytest.approx(0.85)
    assert found.low == pytest.approx(expected.low, abs=0.004)
    assert found.high == pytest.approx(expected.high, abs=0.004)


def test_variance_of_accuracy_is_that_of_a_mean_of_subjects():
    runs = [random_run(0, n=90, subjects_each=3)]
    correct = runs[0].probabilities.argmax(axis=1) == runs[0].y
    of_subjects = correct.reshape(30, 3).mean(axis=1)
    spread = variance.of_estimate(resample(runs, "accuracy"))
    assert spread.subject == pytest.approx(of_subjects.var(ddof=1) / 30, rel=0.1)
    assert spread.seed == 0


def test_draws_in_blocks_are_those_of_one_call(monkeypatch):
    subjects, strata = np.arange(30).astype(str), np.arange(30) % 3
    found = bootstrap.draw(subjects, strata)
    monkeypatch.setattr(bootstrap, "_BLOCK", bootstrap.REPLICATES)
    bootstrap._draw.cache_clear()
    np.testing.assert_array_equal(found, bootstrap.draw(subjects, strata))
    bootstrap._draw.cache_clear()


def test_the_brier_score_of_two_classes_ends_at_one():
    y = np.arange(40) % 2
    wrong = np.random.default_rng(0).uniform(0.9, 1, 40)
    probabilities = np.stack([np.where(y == 0, 1 - wrong, wrong), np.where(y == 0, wrong, 1 - wrong)], axis=1)
    found = interval([Run(y, probabilities, np.arange(40).astype(str), 0, 1)], "brier")
    assert 0.9 < found.estimate < found.high <= 1


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy"])
def test_few_subjects_of_many_samples_are_few(metric):
    """Six of sixty subjects with thirty samples each hold nine in ten samples: the interval was that of sixty."""
    run = random_run(0, n=234, subjects_each=1)
    owners = np.concatenate([np.repeat(np.arange(6), 30), np.arange(6, 60)])
    uneven = resample([replace(run, subjects=owners.astype(str))], metric)
    even = replace(uneven, counts=4 * np.eye(run.n_classes, dtype=int)[uneven.labels])
    ours, as_before = variance.of_estimate(uneven), variance.of_estimate(even)
    assert ours.degrees_of_freedom < 15 < 25 < as_before.degrees_of_freedom
    assert 1.05 < ours.subject / as_before.subject < 1.4


@pytest.mark.parametrize("metric", ["auc", "balanced_accuracy", "sensitivity", "macro_f1"])
def test_nothing_hangs_on_the_order_of_the_classes_names(metric):
    """Subjects of several classes were all the first one's, so that another had hardly a subject."""
    found = []
    other = {"sensitivity": "specificity"}.get(metric, metric)
    for name, flip in ((metric, 1), (other, -1)):
        runs = []
        for seed in (1, 2):
            told = np.random.default_rng(seed).random(60)
            p = np.stack([1 - told, told], axis=1)[:, ::flip]
            y = np.arange(60) % 2 if flip == 1 else 1 - np.arange(60) % 2
            runs.append(Run(y, p, np.repeat(np.arange(30), 2).astype(str), 0, seed))
        found.append(interval(runs, name))
        right = [replace(run, probabilities=np.eye(2)[run.y]) for run in runs]
        assert 0.85 < interval(right, name).low < 0.95  # as of thirty subjects
    np.testing.assert_allclose(*([f.estimate, f.low, f.high] for f in found), rtol=1e-6)


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "log_loss"])
def test_one_subject_of_nearly_all_samples_shows_little_and_breaks_nothing(metric):
    owners = np.concatenate([np.zeros(1000, int), np.arange(1, 10)])
    run = random_run(0, n=1009, subjects_each=1)
    run = replace(run, subjects=owners.astype(str))
    uneven = resample([run], metric)
    assert variance.of_estimate(uneven).subject < 2.1 * np.var(uneven.values, ddof=1) + 0.25
    found = interval([run], metric)
    assert found.low <= found.estimate <= found.high < math.inf
    right = replace(run, probabilities=np.eye(run.n_classes)[run.y])
    perfect = interval([right], metric)
    if metric != "log_loss":
        assert perfect.low < 0.35  # as of one or two subjects, not of ten


def test_variance_of_balanced_accuracy_adds_up_over_classes():
    y = [0] * 4 + [1] * 20
    predicted = [0, 0, 1, 1] + [1] * 15 + [0] * 5
    spread = variance.of_estimate(resample([run_of(y, predicted, 2)], "balanced_accuracy"))
    more = 0.625 * 0.375  # of the one subject that each class is given
    expected = ((4 * 0.5 * 0.5 + more) / 16 + (20 * 0.75 * 0.25 + more) / 400) / 4
    assert spread.subject == pytest.approx(expected, rel=0.1)


def test_seed_part_finds_how_far_networks_differ():
    # One network is always right in 60% of subjects, the other in the same and 20% more: nothing of their
    # difference is the subjects' choice alone.
    y = [0] * 200
    worse = [0] * 120 + [1] * 80
    better = [0] * 160 + [1] * 40
    sample = resample([run_of(y, worse, 2, seed=0), run_of(y, better, 2, seed=1)], "accuracy")
    spread = variance.of_estimate(sample)
    strays = 0.2 * 0.8 / 200 / 2
    assert spread.seed == pytest.approx((0.2**2 / 2 - strays) / 2, rel=0.05)


def test_copies_of_a_subject_add_no_evidence():
    run = random_run(0, n=40)
    tenfold = Run(
        np.repeat(run.y, 10), np.repeat(run.probabilities, 10, axis=0), np.repeat(run.subjects, 10), 0, 0
    )
    assert interval([tenfold], "accuracy").low == pytest.approx(interval([run], "accuracy").low, abs=1e-9)


def test_a_report_is_the_same_each_time_and_in_any_order():
    runs = [random_run(seed, fold=fold) for fold in range(2) for seed in range(3)]
    first = interval(runs, "balanced_accuracy")
    bootstrap._draw.cache_clear()
    assert interval(runs[::-1], "balanced_accuracy") == first


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "macro_f1", "mcc", "auc"])
def test_perfect_scores_have_a_width(metric):
    y = [0, 1] * 20
    runs = [run_of(y, y, 2, seed=seed) for seed in range(5)]
    found = interval(runs, metric)
    assert found.estimate == 1
    assert found.high == 1
    assert 0.7 < found.low < 0.95


@pytest.mark.parametrize("metric", [name for name, metric in METRICS.items() if not metric.binary])
def test_every_metric_has_an_interval_around_its_estimate(metric):
    found = interval([random_run(seed, n=45, subjects_each=3) for seed in range(2)], metric)
    low, high = METRICS[metric].bounds
    assert low <= found.low < found.estimate < found.high <= high


def test_classes_of_one_subject_and_runs_of_one_sample():
    run = run_of([0, 0, 0, 1, 2], [0, 1, 0, 1, 0], 3)
    found = interval([run], "balanced_accuracy")
    assert found.estimate == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert found.low < found.estimate < found.high
    alone = interval([run_of([1], [1], 2)], "accuracy")
    assert alone.estimate == 1
    assert alone.low < 0.1
    assert math.isnan(interval([run_of([1], [1], 2)], "auc").estimate)


def test_lonely_classes_join_the_smallest_other():
    labels = np.array([0, 0, 0, 0, 1, 2, 2])
    assert collapse(labels).tolist() == [0, 0, 0, 0, 2, 2, 2]
    assert collapse(np.array([0, 1, 2])).tolist() == [2, 2, 2] or len(set(collapse(np.array([0, 1, 2])))) == 1


def test_draws_keep_each_stratum_its_weight():
    strata = np.array([0] * 5 + [1] * 2)
    weights = draw(np.array(list("abcdefg")), strata)
    np.testing.assert_allclose(weights[:, :5].sum(axis=1), 5)
    np.testing.assert_allclose(weights[:, 5:].sum(axis=1), 2)
    assert set(np.unique(weights[1:, 5:])) == {0.0, 2.0}


@pytest.mark.parametrize("sizes", [(3, 30), (2, 35)])
def test_a_class_of_few_subjects_does_not_look_certain(sizes):
    assert coverage(Setting(sum(sizes), 2, 0.8, class_sizes=sizes), 60, seed=0)["balanced_accuracy"] >= 0.93


def test_degrees_of_freedom_are_those_of_the_class_that_matters():
    y = [0] * 3 + [1] * 60
    wrong = [1, 0, 0] + [1] * 54 + [0] * 6
    spread = variance.of_estimate(resample([run_of(y, wrong, 2)], "balanced_accuracy"))
    estimate = (2 / 3 + 0.9) / 2
    more = estimate * (1 - estimate)  # of the one subject that each class is given
    parts = [(2 * (2 / 3 * 1 / 3 * 3 / 2) + more) / 9 / 4, (59 * (0.9 * 0.1 * 60 / 59) + more) / 3600 / 4]
    assert spread.total == pytest.approx(sum(parts), rel=0.1)
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / 4 + parts[1] ** 2 / 61)
    assert spread.degrees_of_freedom == pytest.approx(freedom, rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("setting", [Setting(40, 4, 0.8), Setting(200, 2, 0.8)])
def test_intervals_hold_the_truth(setting):
    for part in coverage(setting, 600, seed=0).values():
        assert 0.93 - 0.009 <= part <= 0.97 + 0.009
