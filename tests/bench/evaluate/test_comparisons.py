"""Comparisons: exact tests of pairs, Holm, A/A and power, unlike subjects."""

import re
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from evaluation_runs import random_run, run_of
from scipy import stats

from bench.evaluate import seeds
from bench.evaluate.bootstrap import resample_all
from bench.evaluate.comparisons import (
    best_of,
    compare_with_best,
    contenders,
    difference,
    holm,
    paired_difference,
)
from bench.evaluate.predictions import Run
from tests.helpers.simulated_classifiers import Study
from tests.simulate import Setting, false_claims, main, power


def pair(a_only, b_only, both, neither=0):
    """Two runs by how many subjects only a, only b, both, neither classify rightly."""
    a = [0] * a_only + [1] * b_only + [0] * both + [1] * neither
    b = [1] * a_only + [0] * b_only + [0] * both + [1] * neither
    y = [0] * len(a)
    return [run_of(y, a, 2)], [run_of(y, b, 2)]


def test_paired_p_is_that_of_a_paired_t_test():
    found = paired_difference(*pair(40, 20, 120, 20), "accuracy")
    correct_a = np.r_[np.ones(40), np.zeros(20), np.ones(120), np.zeros(20)]
    correct_b = np.r_[np.zeros(40), np.ones(20), np.ones(120), np.zeros(20)]
    expected = stats.ttest_rel(correct_a, correct_b)
    assert found.estimate == pytest.approx(0.1)
    assert found.p == pytest.approx(expected.pvalue, abs=0.004)
    limits = expected.confidence_interval()
    assert (found.low, found.high) == pytest.approx((limits.low, limits.high), abs=0.004)
    of_subjects = correct_a - correct_b
    assert found.effect_size == pytest.approx(of_subjects.mean() / of_subjects.std(ddof=1), rel=0.03)


def test_five_to_nil_is_not_significant_as_by_the_exact_test_of_mcnemar():
    found = paired_difference(*pair(5, 0, 35), "accuracy")
    assert stats.binomtest(5, 5).pvalue == 0.0625
    assert 0.04 < found.p < 0.09


def test_pairing_sees_what_independent_samples_would_hide():
    a, b = pair(16, 2, 132, 50)
    renamed = [Run(run.y, run.probabilities, np.char.add("other ", run.subjects), 0, 0) for run in b]
    paired, unpaired = paired_difference(a, b, "accuracy"), paired_difference(a, renamed, "accuracy")
    assert paired.paired
    assert paired.p < 0.01
    assert not unpaired.paired
    assert unpaired.estimate == pytest.approx(paired.estimate)
    p_a, p_b = 148 / 200, 134 / 200
    standard_error = np.sqrt((p_a * (1 - p_a) + p_b * (1 - p_b)) / 199)
    assert unpaired.high - unpaired.estimate == pytest.approx(1.966 * standard_error, rel=0.06)


def test_common_subjects_are_compared_where_one_sweep_is_half_done():
    whole = [random_run(seed, fold=fold) for fold in range(3) for seed in range(2)]
    half = [random_run(seed + 10, fold=0) for seed in range(2)]
    found = paired_difference(whole, half, "accuracy")
    assert found.paired
    assert found.n_subjects == 60
    alone = paired_difference([run for run in whole if run.fold == 0], half, "accuracy")
    assert (found.estimate, found.n_subjects) == (alone.estimate, alone.n_subjects)


def test_seeds_of_one_fold_scatter_more_than_the_mean_over_all():
    whole = resample_all(
        {"whole": [random_run(seed, fold=fold) for fold in range(5) for seed in range(3)]}, "accuracy"
    )["whole"]
    part = resample_all({"part": [random_run(seed + 9) for seed in range(3)]}, "accuracy")["part"]
    part = replace(part, seeds=seeds.NONE)
    calm = replace(whole, seeds=replace(whole.seeds, scatter=0.0, by_chance=0.0))
    wild = replace(whole, seeds=replace(whole.seeds, scatter=0.01, by_chance=0.0))
    per_fold = 5 * 0.01 / 3  # a variance of the mean over three seeds
    widths = [difference(each, part) for each in (calm, wild)]
    errors = [np.square((each.high - each.low) / 2) for each in widths]
    assert errors[1] - errors[0] > 1.96**2 * per_fold


def test_brier_scores_need_no_imagined_subjects():
    random = np.random.default_rng(0)
    y, rights = np.arange(40) % 2, 0.7 + 0.2 * random.random(40)
    sides = []
    for noise in (0.02, 0.02):
        right = rights + noise * random.standard_normal(40)
        probabilities = np.where(np.eye(2)[y] == 1, right[:, None], 1 - right[:, None])
        sides.append([Run(y, probabilities, np.arange(40).astype(str), 0, 0)])
    by_subject = [np.square(1 - run.probabilities[np.arange(40), y]) for (run,) in sides]
    found, expected = paired_difference(*sides, "brier"), stats.ttest_rel(*by_subject).confidence_interval()
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=0.1, abs=5e-4)


def test_the_best_is_one_of_those_tested_on_the_most_subjects():
    samples = resample_all({"part": pair(20, 0, 0)[0], "whole": pair(5, 25, 0)[1]}, "accuracy")
    assert samples["part"].estimate > samples["whole"].estimate
    assert (best_of(samples), list(contenders(samples))) == ("whole", ["whole"])


def test_other_labels_for_the_same_subjects_are_not_paired():
    run = random_run(0)
    relabelled = Run((run.y + 1) % 3, run.probabilities, run.subjects, 0, 0)
    assert not paired_difference([run], [relabelled], "accuracy").paired


def test_identical_predictions_do_not_differ_and_are_not_proved_equal():
    run = random_run(0)
    found = paired_difference([run], [run], "balanced_accuracy")
    assert (found.estimate, found.p, found.effect_size) == (0, 1, 0)
    assert found.low < 0 < found.high
    assert paired_difference([run], [run], "log_loss").p == 1


def test_difference_is_antisymmetric():
    a, b = [random_run(seed) for seed in range(2)], [random_run(seed) for seed in range(2, 4)]
    one, other = paired_difference(a, b, "macro_f1"), paired_difference(b, a, "macro_f1")
    assert one.estimate == pytest.approx(-other.estimate)
    assert one.low == pytest.approx(-other.high)
    assert one.p == pytest.approx(other.p)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.09, 0.09, 0.5])
    assert holm([]) == []


def test_best_by_the_metrics_direction():
    y = [0, 1] * 30
    good, bad = run_of(y, y, 2), run_of(y, [0] * 60, 2)
    for metric, sign in (("accuracy", -1), ("log_loss", 1)):
        samples = resample_all({"bad": [bad] * 2, "good": [good] * 2}, metric)
        ((name, comparison),) = compare_with_best(samples).items()
        assert (name, best_of(samples), comparison.distinguishable) == ("bad", "good", True)
        assert np.sign(comparison.difference.estimate) == sign
        assert comparison.difference.low < comparison.difference.estimate < comparison.difference.high
    assert compare_with_best(resample_all({"alone": [good]}, "accuracy")) == {}


def test_holm_is_over_all_pairs():
    runs = {name: [random_run(seed), random_run(seed + 9)] for seed, name in enumerate("abc")}
    samples = resample_all(runs, "accuracy")
    raw = {frozenset(p): difference(samples[p[0]], samples[p[1]]).p for p in combinations("abc", 2)}
    corrected = dict(zip(raw, holm(list(raw.values())), strict=True))
    for name, comparison in compare_with_best(samples).items():
        expected = corrected[frozenset((name, best_of(samples)))]
        assert comparison.p_holm == pytest.approx(expected)


def test_simulated_classifiers_have_the_accuracy_they_say():
    study = Study(np.random.default_rng(0), 20000, 4, seed_spread=0.2)
    runs = study.architecture(0.8).runs(40)
    correct = [(run.probabilities.argmax(axis=1) == run.y).mean() for run in runs]
    assert np.mean(correct) == pytest.approx(study.truth(0.8, "accuracy"), abs=0.02)
    assert len({run.y.tobytes() for run in runs}) == 1


def test_simulation_prints_its_tables(capsys, monkeypatch):
    from tests import simulate

    monkeypatch.setattr(simulate, "false_claims", lambda *_: {"accuracy": 0.02})
    monkeypatch.setattr(simulate, "coverage", lambda *_: {"accuracy": 0.95})
    monkeypatch.setattr(simulate, "pooled_coverage", lambda *_: {"pooled": 0.95})
    monkeypatch.setattr(simulate, "best_of_eight", lambda *_: {"corrected": 0.95})
    monkeypatch.setattr(simulate, "power", lambda *_: {"accuracy": 0.9})
    monkeypatch.setattr(simulate, "false_switches", lambda *_: {"accuracy": 0.03})
    main(["--short"])
    printed = capsys.readouterr().out
    assert printed.count("###") == 9
    assert "| 30/3 | 2 | 1 | 1 | 5 | 80% | 95.0% |" in re.sub(" +", " ", printed)


def test_a_single_seed_is_judged_by_how_far_the_others_scatter():
    """Five trainings of a network whose seeds scatter by six points, and one more of the very same."""
    claims, naive = [], []
    for number in range(100):
        study = Study(np.random.default_rng([5, number]), 280, 2, seed_spread=0.25)
        network = study.architecture(0.85)
        five, one = network.runs(5), network.runs(1)
        claims.append(paired_difference(five, one, "balanced_accuracy", alike=True).p < 0.05)
        naive.append(paired_difference(five[:1], one, "balanced_accuracy").p < 0.05)
    assert np.mean(claims) <= 0.08
    assert np.mean(naive) > 0.2  # what one seed against one, taken at its word, would claim


def test_seeds_alike_are_pooled():
    study = Study(np.random.default_rng(3), 200, 2)
    a, b = study.architecture(0.85), study.architecture(0.75)
    runs = a.runs(4), b.runs(4)
    alike, apart = (paired_difference(*runs, "accuracy", alike=alike) for alike in (True, False))
    assert alike.estimate == apart.estimate
    assert alike.high - alike.low == pytest.approx(apart.high - apart.low, rel=0.2)
    # Where no side has a second seed there is nothing to pool.
    single = [paired_difference(runs[0][:1], runs[1][:1], "accuracy", alike=alike) for alike in (True, False)]
    assert single[0] == single[1]


@pytest.mark.slow
def test_one_architecture_under_five_names_and_two_ten_points_apart():
    assert max(false_claims(Setting(200, 2, 0.8), 200, seed=0).values()) <= 0.05
    assert min(power(Setting(200, 2, 0.8), 100, seed=0).values()) >= 0.8
