"""Runs, their arrangement in repetitions, and ensembles."""

import numpy as np
import pytest
from evaluation_runs import random_run

from bench.evaluate.predictions import Run, ensemble, repetitions, restrict


def test_a_repetition_has_a_run_of_each_fold_and_short_folds_repeat():
    runs = [random_run(seed, fold=0) for seed in (2, 0, 1)] + [random_run(7, fold=1)]
    arranged = repetitions(runs)
    assert [[(run.fold, run.seed) for run in folds] for folds in arranged] == [
        [(0, 0), (1, 7)],
        [(0, 1), (1, 7)],
        [(0, 2), (1, 7)],
    ]


def test_seeds_of_a_fold_must_share_their_samples():
    first, second = random_run(0), random_run(1)
    other = Run(second.y, second.probabilities, second.subjects[::-1], 0, 1)
    with pytest.raises(ValueError, match="seeds 0 and 1 predict different samples"):
        repetitions([first, other])
    with pytest.raises(ValueError, match="no runs"):
        repetitions([])


def test_ensemble_is_the_mean_of_probabilities():
    runs = [random_run(seed) for seed in range(3)]
    (together,) = ensemble(runs)
    np.testing.assert_allclose(together.probabilities, sum(run.probabilities for run in runs) / 3)
    assert np.array_equal(together.y, runs[0].y)
    assert ensemble(runs[:1]) == []


def test_restrict_keeps_the_samples_of_the_subjects_named():
    run = random_run(0, n=6, subjects_each=2)
    (kept,) = restrict([run, random_run(0, fold=1)], run.subjects[2:3])
    assert np.array_equal(kept.probabilities, run.probabilities[2:4])


@pytest.mark.parametrize(
    ("y", "probabilities", "message"),
    [
        ([0, 1], [[1.0, 0.0]], "shapes differ"),
        ([2], [[1.0, 0.0]], r"y outside 0\.\.1"),
        ([0], [[np.nan, 1.0]], "finite"),
    ],
)
def test_runs_refuse_nonsense(y, probabilities, message):
    with pytest.raises(ValueError, match=message):
        Run(np.array(y), np.array(probabilities), np.array(["s"] * len(y)), 0, 0)
