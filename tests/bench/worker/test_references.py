"""References: which setting wins."""

from dataclasses import replace
from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import pytest

from bench.data.splits import Fold
from bench.worker import execute
from bench.worker.references import REFERENCES

_scored: list[np.ndarray] = []


def _reference(monkeypatch, scores: list[float], metric: str = "auc", inner: int = 1) -> dict:
    x, y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2
    parts = np.split(np.arange(40), [20, 30])
    fold = Fold(*parts, "0")
    opened = SimpleNamespace(y=y, classes=("a", "b"), subjects=np.arange(40))
    monkeypatch.setattr(execute, "Progress", MagicMock())
    monkeypatch.setattr(execute.arrays, "open_fold", lambda description: (opened, fold))
    monkeypatch.setattr(execute.arrays, "reference_inputs", lambda description, features: x)
    monkeypatch.setattr(execute, "save_predictions", lambda *_: {})
    left = iter(scores)

    def pooled(_, parts):
        _scored.append(np.concatenate([y for y, _ in parts]))
        return next(left)

    monkeypatch.setattr(execute, "pooled", pooled)
    splits = {"seed": 0, "inner": inner}
    return execute._reference(
        {"candidate": "nearest_neighbours", "metric": metric, "seed": 1, "splits": splits}
    )


def test_a_score_that_is_not_defined_never_wins(monkeypatch):
    grid = REFERENCES["nearest_neighbours"].grid
    found = _reference(monkeypatch, [0.5, np.nan, 0.7] + [0.5] * 99)
    assert (found["values"], found["score"]) == (grid[2], 0.7)
    assert [each["score"] for each in found["grid"]] == [0.5, 0.7]
    assert _reference(monkeypatch, [0.5, np.nan, 0.7] + [0.5] * 99, "log_loss")["values"] == grid[0]


def test_a_setting_that_cannot_be_fitted_leaves_the_others(monkeypatch):
    known = REFERENCES["nearest_neighbours"]
    grid = ({"n_neighbors": 1000}, {"n_neighbors": 3})
    monkeypatch.setitem(execute.REFERENCES, "nearest_neighbours", replace(known, grid=grid))
    assert _reference(monkeypatch, [0.5] * 99)["grid"] == [{"values": grid[1], "score": 0.5}]
    monkeypatch.setitem(execute.REFERENCES, "nearest_neighbours", replace(known, grid=grid[:1]))
    with pytest.raises(ValueError, match="n_neighbors"):
        _reference(monkeypatch, [0.5] * 99)


def test_where_no_score_is_defined_the_reference_fails_with_the_reason(monkeypatch):
    with pytest.raises(ArithmeticError, match="auc is not defined on these validation subjects"):
        _reference(monkeypatch, [np.nan] * 3)


@pytest.mark.parametrize(("inner", "n_scored"), [(1, 10), (3, 30)])
def test_settings_are_judged_on_the_subjects_that_judge_a_networks(monkeypatch, inner, n_scored):
    """With few subjects a network is scored on all that are not tested, and a reference was on a third of them."""
    _scored.clear()
    _reference(monkeypatch, [0.5] * 99, inner=inner)
    assert [len(y) for y in _scored[:3]] == [n_scored] * 3
