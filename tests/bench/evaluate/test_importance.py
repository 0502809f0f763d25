"""Which hyperparameters mattered, on made searches whose answer is known."""

import numpy as np
import pytest

from bench.evaluate.importance import importances


def test_what_the_scores_follow_comes_first_with_its_sign():
    rng = np.random.default_rng(0)
    values = [
        {"rate": float(rate), "noise": float(rng.random()), "kind": "ab"[i % 2], "fixed": 1}
        for i, rate in enumerate(rng.permutation(20))
    ]
    found = importances(values, [-trial["rate"] for trial in values])
    assert found[0].name == "rate"
    assert found[0].effect == pytest.approx(-1)
    assert found[0].p_holm < 0.001
    assert {each.name for each in found} == {"rate", "noise", "kind"}
    assert all(each.p_holm > 0.05 for each in found[1:])


def test_a_choice_is_told_by_the_share_between_its_values():
    values = [{"kind": "ab"[i % 2]} for i in range(12)]
    (found,) = importances(values, [i % 2 + 0.001 * i for i in range(12)])
    assert not found.ordered
    assert found.effect > 0.7
    assert found.p_holm < 0.01


def test_a_handful_of_trials_says_nothing():
    assert importances([{"rate": rate} for rate in range(7)], range(7)) == []
    assert len(importances([{"rate": rate} for rate in range(8)], range(8))) == 1
