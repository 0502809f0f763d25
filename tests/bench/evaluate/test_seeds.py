"""Seeds: what rows learn of their scatter from each other, and what nothing shows."""

import math

import numpy as np
import pytest

from bench.evaluate import seeds
from bench.evaluate.bootstrap import resample_all
from bench.evaluate.comparisons import compare_with_best
from bench.evaluate.seeds import Seeds
from tests.helpers.simulated_classifiers import Study
from tests.simulate import Setting, false_claims, pooled_coverage


def test_pooling_by_hand():
    rows = [Seeds(3, 1.0, 0.1, 2.0), Seeds(3, 3.0, 0.3, 2.0), Seeds(1, 0.0, 0.0, 0.0)]
    first, second, single = seeds.pool(rows)
    # Two variances that differ threefold are no more than chi-squared noise, so the prior has ten degrees.
    assert first.scatter == pytest.approx((10 * 2 + 2 * 1) / 12)
    assert second.scatter == pytest.approx((10 * 2 + 2 * 3) / 12)
    assert (single.scatter, single.by_chance) == pytest.approx((2.0, 0.2))
    assert (first.degrees_of_freedom, single.degrees_of_freedom) == (4, 4)  # of all together
    assert single.variance == pytest.approx(1.8)


def test_rows_that_differ_beyond_noise_learn_less():
    rows = [Seeds(6, variance, 0.0, 5.0) for variance in (1, 1, 1, 1, 1, 1, 1, 100)]
    quiet, *_, noisy = seeds.pool(rows)
    together = np.mean([row.scatter for row in rows])
    assert quiet.scatter < 0.6 * together
    assert noisy.scatter > 4 * together
    alike = seeds.pool(rows, alike=True)
    assert [row.scatter for row in alike] == pytest.approx([together] * 8)
    assert alike[0].degrees_of_freedom == 40


def test_methods_without_seeds_teach_nothing_and_need_nothing():
    reference, network = seeds.pool([seeds.NONE, Seeds(1, 0.0, 0.0, 0.0)])
    assert reference.known
    assert not network.known
    assert (reference.variance, reference.degrees_of_freedom) == (0, math.inf)


def _claims(**setting) -> float:
    """The share of sweeps of one architecture under five names in which any two are said to differ."""
    return max(false_claims(Setting(200, 2, 0.8, seed_spread=0.2, **setting), 15, seed=0).values())


def test_a_single_seed_claims_nothing():
    assert _claims(seeds=(1,)) == 0
    assert _claims(seeds=(5, 1, 1, 1, 1)) <= 0.05


def test_a_single_seed_is_told_from_what_is_far_worse_by_what_others_show():
    study = Study(np.random.default_rng(0), 200, 2, seed_spread=0.1)
    good, middle, bad = (study.architecture(accuracy) for accuracy in (0.95, 0.9, 0.6))
    runs = {"good": good.runs(1), "middle": middle.runs(4), "bad": bad.runs(1)}
    found = compare_with_best(resample_all(runs, "accuracy"))
    assert found["bad"].distinguishable
    alone = {name: each[:1] for name, each in runs.items()}
    found = compare_with_best(resample_all(alone, "accuracy"))
    assert not any(c.distinguishable or c.difference.seeds_known for c in found.values())


def test_three_seeds_pooled_hold_the_truth_and_are_narrower():
    found = pooled_coverage(Setting(200, 2, 0.8, seeds=(3,), seed_spread=0.2), 20, seed=0)
    assert found["pooled"] >= 0.93
    assert found["width over alone"] <= 0.85
