"""Tiny models and saved entries for the measuring tests."""

from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def save_entry(tmp_path: Path):
    """Return a function that saves a model and six random samples, and gives the entry."""
    from bench.measure.cost import Entry

    def save(name: str, model) -> Entry:
        path, samples = tmp_path / f"{name}.keras", tmp_path / f"{name}.npy"
        model.save(path)
        x = np.random.default_rng(0).random((6, *model.input_shape[1:]), dtype=np.float32)
        np.save(samples, x)
        return Entry(name, str(path), str(samples))

    return save
