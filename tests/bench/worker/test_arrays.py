"""What workers open: samples and features made of a dataset are made once."""

import sys

import numpy as np
import pytest

from bench import tasks
from bench.data.caches.cached_dataset import open_cached, save_dataset
from bench.data.dataset import Dataset
from bench.measure.memory import resident_bytes
from bench.worker import arrays


@pytest.fixture(autouse=True)
def forgetful():
    """Nothing is remembered from other tests, or for them."""
    for remembered in (arrays.dataset, arrays.headers, arrays.prepared, arrays.features):
        remembered.cache_clear()
    yield
    for remembered in (arrays.dataset, arrays.headers, arrays.prepared, arrays.features):
        remembered.cache_clear()


def test_features_are_made_once_and_are_the_tasks(tmp_path, monkeypatch):
    task = tasks.load("spect")
    folder = task.load("builtin:subjects=12,test=0", tmp_path, tmp_path / "cache")
    stored = open_cached(folder)
    preprocessing = {"crop": True, "normalisation": "zscore"}
    description = {"dataset": str(folder), "task": "spect", "preprocessing": preprocessing}
    found = arrays.reference_inputs(description, "binding_ratios")
    np.testing.assert_array_equal(found, task.features("binding_ratios", stored.x, []))
    assert arrays.reference_inputs(description, None).shape == (12, 50 * 50)

    arrays.features.cache_clear()
    monkeypatch.setattr(type(task), "features", lambda *_: pytest.fail("made a second time"))
    np.testing.assert_array_equal(arrays.reference_inputs(description, "binding_ratios"), found)
    # Other code makes its own.
    monkeypatch.setattr(type(task), "features", lambda *_: np.zeros((12, 1), np.float32))
    monkeypatch.setattr(type(task), "digest", lambda _: "another")
    arrays.features.cache_clear()
    assert not arrays.reference_inputs(description, "binding_ratios").any()


@pytest.mark.skipif(sys.platform != "linux", reason="others take the pages back when they like")
def test_maps_are_given_back_between_pieces_and_read_again(tmp_path):
    x = np.random.default_rng(0).random((60, 128, 128, 8), dtype=np.float32)  # 30 MiB
    subjects = np.arange(60)
    large = Dataset("large", x, subjects % 2, subjects.astype(str), ("a", "b"), "0", "Made for a test.")
    save_dataset(large, tmp_path / "large")
    mapped = arrays.dataset(str(tmp_path / "large")).x
    np.testing.assert_array_equal(mapped, x)
    read = resident_bytes()
    arrays.release()
    assert read - resident_bytes() > 20 * 2**20
    np.testing.assert_array_equal(mapped, x)
    del mapped
    arrays.dataset.cache_clear()
    arrays.release()  # what is closed is forgotten
