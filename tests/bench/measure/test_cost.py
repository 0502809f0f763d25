"""Costs of models, from fresh processes."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers

from bench.measure import cost
from bench.measure.cost import Entry, MeasurementError, measure_models, worker_environment


@pytest.mark.slow
def test_two_models_in_fresh_processes(save_entry):
    mlp = keras.Sequential([keras.Input((64,)), layers.Dense(32768, "relu"), layers.Dense(4)])
    cnn = keras.Sequential(
        [
            keras.Input((32, 32, 1)),
            layers.Conv2D(16, 3),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dense(4),
        ]
    )
    entries = [save_entry("mlp", mlp), save_entry("cnn", cnn), Entry("gone", "no.keras", "no.npy")]
    found = measure_models(entries, seconds=0.8, rounds=3, threads=(1,))
    assert json.loads(json.dumps(found)) == found
    assert found["mlp"]["macs"] == 64 * 32768 + 32768 * 4
    assert found["mlp"]["parameters"] == 65 * 32768 + 32769 * 4
    assert found["cnn"]["parameters"] - found["cnn"]["trainable_parameters"] == 2 * 16
    for name in ("mlp", "cnn"):
        costs = found[name]
        assert costs["status"] == "measured"
        assert costs["bytes_on_disk"] > 4 * costs["parameters"]
        assert 0 < costs["inference_ms"] <= costs["inference_p95_ms"]
        assert costs["throughput_32"] > 0
        assert costs["peak_memory_bytes"] > 0
        assert costs["energy_1000_inferences_joules"] > 0
        assert costs["energy_method"]
        assert costs["machine_drift"] >= 1
        timing = costs["runtimes"]["keras"]["threads"]["1"]
        assert timing["reference_gflops"] > 0
        assert len(timing["round_medians_ms"]) == 3
        assert costs["inference_ms"] == np.median(timing["round_medians_ms"])
    # What loading took is not what running holds.
    assert found["mlp"]["peak_memory_bytes"] < 24 * 2**20
    # A model that fails leaves its reason, and the others their figures.
    assert found["gone"]["status"] == "failed"
    assert "no.keras" in found["gone"]["reason"] or "no.npy" in found["gone"]["reason"]
    assert found["gone"].keys() == found["mlp"].keys()


def worker_says(results):
    """Stand in for the worker: answer from `results`, mode to entry to what was found."""

    def run(_, job):
        latency = dict.fromkeys(map(str, job["counts"]), results["latency"])
        return json.loads(json.dumps({"latency": latency, "memory": results.get("memory", {})}))

    return run


def keras_part(**changes):
    timing = {"inference_ms": 1.0, "inference_p95_ms": 2.0, "throughput_32": 100.0}
    part = {"status": "measured", "version": "3", "reason": None, "max_difference": 0.0, "timing": timing}
    return part | changes


def test_a_missing_runtime_is_reported_and_costs_nothing_else(monkeypatch):
    absent = {"status": "not installed", "version": None, "reason": "no package", "max_difference": None}
    latency = {"a": {"status": "measured", "macs": 5, "runtimes": {"keras": keras_part(), "litert": absent}}}
    memory = {"a": {"status": "measured", "peak_memory_bytes": 7}}
    monkeypatch.setattr(cost.MeasuringProcess, "run", worker_says({"latency": latency, "memory": memory}))
    found = measure_models([Entry("a", "", "")], runtimes=("keras", "litert"), threads=(1, 2))["a"]
    assert (found["status"], found["macs"], found["peak_memory_bytes"]) == ("measured", 5, 7)
    assert found["inference_ms"] == 1.0
    assert list(found["runtimes"]["keras"]["threads"]) == ["1", "2"]
    assert found["runtimes"]["litert"]["status"] == "not installed"
    assert found["runtimes"]["litert"]["threads"] == {}


def test_a_process_that_was_killed_is_the_models_failure(monkeypatch):
    latency = {"a": {"status": "measured", "runtimes": {"keras": keras_part()}}}
    memory = {"a": {"status": "failed", "reason": "its process ended: killed by signal 9"}}
    monkeypatch.setattr(cost.MeasuringProcess, "run", worker_says({"latency": latency, "memory": memory}))
    found = measure_models([Entry("a", "", "")], threads=(1,))["a"]
    assert found["status"] == "failed"
    assert "signal 9" in found["reason"]
    assert found["inference_ms"] == 1.0


def test_a_crash_shows_what_the_process_said(monkeypatch):
    crash = "import os, sys; sys.stderr.write('std::bad_alloc'); sys.stderr.flush(); os.kill(os.getpid(), 9)"
    start = subprocess.Popen
    monkeypatch.setattr(
        cost.subprocess, "Popen", lambda _, **how: start([sys.executable, "-c", crash], **how)
    )
    with pytest.raises(MeasurementError, match=r"status -9\nstd::bad_alloc"):
        measure_models([Entry("a", "", "")])


def test_a_process_that_was_started_before_waits_for_its_job_and_ends_without_one():
    process = cost.MeasuringProcess()
    process.start()
    process.wait_until_idle()
    child = process._process
    assert child.poll() is None
    child.stdin.close()  # as if this process had died
    assert child.wait(60) == 0
    process.close()


def test_threads_are_fixed_before_tensorflow_is_imported(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    environment = worker_environment()
    assert {environment[name] for name in environment if name.endswith("_NUM_THREADS")} == {"1"}
    assert environment["CUDA_VISIBLE_DEVICES"] == "-1"


@pytest.mark.parametrize(
    ("names", "runtimes", "message"), [("aa", ("keras",), "must differ"), ("ab", ("torch",), "torch")]
)
def test_wrong_arguments(names, runtimes, message):
    with pytest.raises(ValueError, match=message):
        measure_models([Entry(name, "", "") for name in names], runtimes=runtimes)
