"""The best of several: what its result is worth."""

import numpy as np
import pytest
from evaluation_runs import run_of

from bench.evaluate.bootstrap import resample_all
from bench.evaluate.intervals import of_replicates
from bench.evaluate.winner import interval_of_best
from tests.simulate import Setting, best_of_eight


def test_the_best_of_eight_equals_is_corrected_for_its_luck():
    found = best_of_eight(Setting(40, 2, 0.8), 30, seed=0)
    assert found["bias as measured"] > 0.03
    assert abs(found["bias corrected"]) < 0.015
    assert found["corrected"] >= 0.93


@pytest.mark.parametrize("metric", ["accuracy", "log_loss"])
def test_a_clear_winner_keeps_its_result(metric):
    y = [0, 1] * 50
    wrong = {"good": 5, "bad": 50, "worse": 60}
    runs = {
        name: [run_of(y, [1 - k if i < n else k for i, k in enumerate(y)], 2)] for name, n in wrong.items()
    }
    samples = resample_all(runs, metric, seedless=runs)
    plain, corrected = of_replicates(samples["good"]), interval_of_best(samples, "good")
    limits = [(each.estimate, each.low, each.high) for each in (plain, corrected)]
    assert limits[1] == pytest.approx(limits[0], abs=0.002)


def test_twins_share_their_luck_and_are_not_corrected():
    y = [0, 1] * 20
    run = run_of(y, [1 - k if i < 8 else k for i, k in enumerate(y)], 2)
    samples = resample_all({"a": [run], "b": [run]}, "accuracy", seedless="ab")
    corrected, plain = interval_of_best(samples, "a"), of_replicates(samples["a"])
    assert corrected.estimate == pytest.approx(plain.estimate, abs=0.005)
    assert interval_of_best({"a": samples["a"]}, "a").estimate == pytest.approx(plain.estimate, abs=0.005)


def test_the_correction_is_never_outside_the_metric():
    y = [0, 1] * 3
    runs = {name: [run_of(y, [k] * 6, 2)] for name, k in (("a", 0), ("b", 1))}
    found = interval_of_best(resample_all(runs, "mcc", seedless=runs), "a")
    assert -1 <= found.low <= found.estimate <= found.high <= 1
    assert np.isfinite(found.estimate)
