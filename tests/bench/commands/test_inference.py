"""The last step of a sweep."""

import hashlib
from contextlib import closing
from types import SimpleNamespace

import keras
import numpy as np
from keras import layers

from bench.commands import inference
from bench.measure.cost import MeasurementError, MeasuringProcess
from bench.sweep.journal import Journal
from bench.sweep.progress import Display
from bench.sweep.state import State


def test_networks_that_differ_in_weights_alone_are_measured_once(tmp_path, monkeypatch):
    winners = {}
    for name, units in (("random", 3), ("pretrained", 3), ("wider", 4)):
        network = keras.Sequential(
            [keras.Input((6,), name="x"), layers.Dense(units, name="a"), layers.Dense(2, name="b")],
            name="net",
        )
        network.save(tmp_path / f"{name}.keras")
        digest = hashlib.sha256((tmp_path / f"{name}.keras").read_bytes()).hexdigest()
        file = {"path": f"{name}.keras", "sha256": digest}
        winners[name] = (0, {"input_shape": [6], "files": {"model": file}})
    given, events = [], []

    def measure_models(entries, **_):
        given.extend(entry.name for entry in entries)
        return {entry.name: {"inference_ms": float(len(given))} for entry in entries}

    monkeypatch.setattr(inference, "measure_models", measure_models)
    state = SimpleNamespace(settled=lambda key: False, apply=events.append, candidates={})
    plan = SimpleNamespace(winners=lambda: winners, latency_key=lambda: "latency/a", state=state)
    preset = SimpleNamespace(measure_seconds=1.0, runtimes=("keras",), careful=False)
    task = SimpleNamespace(prepare=lambda x, _: x)
    settings = SimpleNamespace(task=task, preprocessing={}, preset=preset, candidates=())
    dataset = SimpleNamespace(x=np.zeros((5, 6), np.float32))
    journal = SimpleNamespace(append=lambda event, **content: content)
    display, process = Display(quiet=True), MeasuringProcess()
    inference.measure_inference(settings, dataset, tmp_path, plan, journal, display, process)
    assert given == ["random", "wider"]
    [event] = events
    costs = event["result"]["costs"]
    assert {name: each.get("same_as") for name, each in costs.items()} == {
        "random": None,
        "pretrained": "random",
        "wider": None,
    }
    assert costs["pretrained"]["inference_ms"] == costs["random"]["inference_ms"]
    assert costs["wider"]["trial"] == 0


def test_a_measurement_that_crashed_is_in_the_report_and_tried_again(tmp_path, monkeypatch):
    def crash(*_, **__):
        raise MeasurementError("measuring process ended with status -9\nkilled by signal 9")

    network = keras.Sequential([keras.Input((6,)), layers.Dense(2)])
    network.save(tmp_path / "a.keras")
    monkeypatch.setattr(inference, "measure_models", crash)
    state = State()
    winners = {"a": (0, {"input_shape": [6], "files": {"model": {"path": "a.keras"}}})}
    plan = SimpleNamespace(winners=lambda: winners, latency_key=lambda: "latency/a", state=state)
    preset = SimpleNamespace(measure_seconds=1.0, runtimes=("keras",), careful=False)
    task = SimpleNamespace(prepare=lambda x, _: x)
    settings = SimpleNamespace(task=task, preprocessing={}, preset=preset, candidates=())
    dataset = SimpleNamespace(x=np.zeros((5, 6), np.float32))
    with closing(Journal(tmp_path)) as journal:
        inference.measure_inference(settings, dataset, tmp_path, plan, journal, Display(quiet=True), None)
    assert "signal 9" in state.failed["latency/a"]
    assert state.deferred == {"latency/a"}
    assert not state.settled("latency/a")
