"""Timing of references: one sample at a time has the features that all had."""

import numpy as np

from bench import tasks
from bench.data.caches.cached_dataset import save_dataset
from bench.data.dataset import Dataset
from bench.worker import arrays, timing
from tuning import training
from tuning.training import Recipe


def test_scanner_reference_where_headers_differ(tmp_path):
    """Columns once came from the single sample that was timed."""
    y = np.arange(12) % 2
    x = np.random.default_rng(0).random((12, 6, 16, 16, 1), dtype=np.float32)
    headers = [
        {"stored_k": 20.0, "stored_orientation": "LAS" if label else "RAS", "Manufacturer": f"M{n % 3}"}
        for n, label in enumerate(y)
    ]
    dataset = Dataset("own", x, y, y.astype(str), ("a", "b"), "0", "Made for a test.")
    save_dataset(dataset, tmp_path / "own", headers=headers)
    folder = str(tmp_path / "own")
    description = {
        "candidate": "scanner_features",
        "values": {"C": 1.0},
        "seed": 0,
        "dataset": folder,
        "task": "mri",
        "measure_seconds": 0.0,
    }
    task, seen = tasks.load("mri"), np.arange(10)
    found = timing.reference(description, task, dataset, arrays.headers(folder), x, seen)
    assert found["inference_ms"] > 0
    one = task.features("scanner", x[3:4], arrays.headers(folder)[3:4])
    np.testing.assert_allclose(one[0], arrays.features(folder, "mri", "scanner")[3], rtol=1e-6)


def test_steps_are_timed_as_a_training_takes_them(monkeypatch):
    """Of small images a training takes many batches in a call: to time fewer would count the call too often."""
    taken = []

    class Counts:
        first_call_seconds = 0.0

        def reset(self, *_): ...

        def run(self, x, y, weights, batch_size):
            taken.append(len(x) // batch_size)
            return 0.0, 0.0

    recipe = Recipe(epochs=2, batch_size=64, balance="none", settings={})
    for samples, side, expected in ((6400, 16, 32), (640, 16, 10), (640, 256, 1)):
        taken.clear()
        x, y = np.zeros((samples, side, side, 1), np.float32), np.arange(samples) % 2
        found = timing.network({"seed": 0, "measure_seconds": 0}, Counts(), recipe, x, y, np.arange(samples))
        assert set(taken) == {expected}
        assert found["steps"] == 2 * samples // 64
        training._run_epoch(
            Counts(), training.Samples(x, y, np.arange(samples)), y, np.ones(2), np.arange(samples), 64
        )
        assert max(taken) == expected
