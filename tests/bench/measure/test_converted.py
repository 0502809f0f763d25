"""Files of other runtimes, kept for the processes that time them."""

import keras
import pytest
from keras import layers

from bench.measure import worker
from bench.measure.runtimes import RUNTIMES, ConversionError, PortableRuntime


class Portable(PortableRuntime):
    name, packages, suffix = "portable", ("numpy",), ".portable"

    def __init__(self, content=b"content"):
        self.given, self.made = [], content

    def convert(self, model, batch, input_shape):
        self.given.append(batch)
        if self.made is None:
            raise ConversionError("portable: has a loop")
        return self.made

    def load(self, content, threads):
        return content, threads


def test_a_file_is_made_once_for_each_model_and_batch(tmp_path):
    runtime, job = Portable(), {"converted": str(tmp_path)}
    for _ in range(2):
        for name in ("a", "b/../c"):
            for batch in (1, 32):
                found = runtime.prepare(None, batch, 2, (3,), worker._kept(job, name, batch))
                assert found == (b"content", 2)
    assert runtime.given == [1, 32, 1, 32]
    assert len(list(tmp_path.iterdir())) == 4


def test_a_reason_is_kept_too(tmp_path):
    runtime = Portable(None)
    for _ in range(2):
        with pytest.raises(ConversionError, match="has a loop"):
            runtime.prepare(None, 1, 1, (3,), tmp_path / "a")
    assert runtime.given == [1]


def test_without_a_folder_nothing_is_kept():
    runtime = Portable()
    for _ in range(2):
        runtime.prepare(None, 1, 1, (3,))
    assert runtime.given == [1, 1]


def test_what_was_converted_is_what_is_timed(save_entry, tmp_path, monkeypatch):
    entry = save_entry("m", keras.Sequential([keras.Input((8,)), layers.Dense(4), layers.Dense(2)]))
    gone = {"name": "gone", "model": "no.keras", "samples": "no.npy", "runtime": "litert"}
    described = {"name": "m", "model": entry.model, "samples": entry.samples, "runtime": "litert"}
    job = {"entries": [gone, described], "runtimes": ["keras", "litert"], "converted": str(tmp_path)}
    assert worker.convert(job, lambda: None) == {}
    assert len(list(tmp_path.glob("*.tflite"))) == 2

    def again(*_):
        raise AssertionError("converted again")

    monkeypatch.setattr(RUNTIMES["litert"], "convert", again)
    found = worker.measure_latency(job | {"threads": 1, "seconds": 0.01, "rounds": 2}, lambda: None)
    assert found["m"]["runtimes"]["litert"]["status"] == "measured"
    assert found["gone"]["status"] == "failed"
