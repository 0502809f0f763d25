"""References: which setting wins."""

from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import pytest

from bench.worker import execute
from bench.worker.references import REFERENCES


def _reference(monkeypatch, scores: list[float], metric: str = "auc") -> dict:
    x, y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2
    parts = np.split(np.arange(40), [20, 30])
    fold = SimpleNamespace(train=parts[0], validation=parts[1], test=parts[2])
    opened = SimpleNamespace(y=y, classes=("a", "b"))
    monkeypatch.setattr(execute, "Progress", MagicMock())
    monkeypatch.setattr(execute.arrays, "open_fold", lambda description: (opened, fold))
    monkeypatch.setattr(execute.arrays, "reference_inputs", lambda description, features: x)
    monkeypatch.setattr(execute, "save_predictions", lambda *_: {})
    left = iter(scores)
    monkeypatch.setattr(execute.metrics, "score", lambda *_: next(left))
    return execute._reference({"candidate": "nearest_neighbours", "metric": metric, "seed": 1})


def test_a_score_that_is_not_defined_never_wins(monkeypatch):
    grid = REFERENCES["nearest_neighbours"].grid
    found = _reference(monkeypatch, [0.5, np.nan, 0.7] + [0.5] * 99)
    assert (found["values"], found["score"]) == (grid[2], 0.7)
    assert [each["score"] for each in found["grid"]] == [0.5, 0.7]
    assert _reference(monkeypatch, [0.5, np.nan, 0.7] + [0.5] * 99, "log_loss")["values"] == grid[0]


def test_where_no_score_is_defined_the_reference_fails_with_the_reason(monkeypatch):
    with pytest.raises(ArithmeticError, match="auc is not defined on these validation subjects"):
        _reference(monkeypatch, [np.nan] * 3)
