"""What the measuring process does, called in this one."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import psutil
import pytest
from keras import layers

from bench.measure import fresh_process, runtimes, worker
from bench.measure.saved_models import import_packages, load_model, load_samples


@pytest.fixture
def mlp():
    return keras.Sequential([keras.Input((8,)), layers.Dense(4), layers.Dense(2)])


def job(entry, **changes):
    described = {"name": entry.name, "model": entry.model, "samples": entry.samples}
    whole = {"entries": [described], "runtimes": ["keras"], "threads": 1, "seconds": 0.01, "rounds": 2}
    return whole | changes


def latency(described):
    return worker.measure_latency(described, lambda: None)


def test_a_runtime_that_is_not_installed(save_entry, mlp, monkeypatch):
    monkeypatch.setattr(runtimes.RUNTIMES["litert"], "packages", ("no-such-package",))
    found = latency(job(save_entry("m", mlp), runtimes=["keras", "litert"]))["m"]["runtimes"]
    assert found["keras"]["timing"]["inference_ms"] > 0
    assert found["litert"]["status"] == "not installed"
    assert found["litert"]["reason"] == "no-such-package is not installed"


def test_a_runtime_with_another_answer_is_not_timed(save_entry, mlp, monkeypatch):
    class Wrong(runtimes.KerasRuntime):
        def prepare(self, *arguments):
            right = super().prepare(*arguments)
            return lambda x: right(x) + 0.001

    monkeypatch.setitem(runtimes.RUNTIMES, "litert", Wrong())
    found = latency(job(save_entry("m", mlp), runtimes=["keras", "litert"]))["m"]["runtimes"]
    assert found["litert"]["status"] == "disagrees"
    assert found["litert"]["max_difference"] == pytest.approx(0.001, rel=0.01)
    assert "timing" not in found["litert"]


def test_macs_that_cannot_be_counted_leave_the_rest(save_entry):
    model = keras.Sequential([keras.Input((7, 4)), layers.LSTM(3)])
    found = latency(job(save_entry("m", model)))["m"]
    assert found["macs"] is None
    assert "While" in found["macs_reason"]
    assert found["runtimes"]["keras"]["timing"]["inference_ms"] > 0


@pytest.mark.parametrize("end", [lambda: os.kill(os.getpid(), signal.SIGKILL), lambda: os._exit(3)])
def test_a_process_that_dies_is_a_failure_of_its_model(end, monkeypatch):
    monkeypatch.setattr(fresh_process.psutil.Process, "num_threads", lambda _: 1)
    monkeypatch.setattr(worker, "_do", lambda job, turn: end() if job["mode"] == "memory" else {})
    whole = {"entries": [{"name": "a"}], "runtimes": ["keras"], "counts": [1], "memory_seconds": 1}
    found = worker.measure(whole, lambda: None)["memory"]["a"]
    assert found["status"] == "failed"
    assert "signal 9" in found["reason"] or "status 3" in found["reason"]


def test_a_network_that_ends_the_process_does_not_cost_the_others_their_figures(monkeypatch):
    monkeypatch.setattr(fresh_process.psutil.Process, "num_threads", lambda _: 1)

    def do(job, turn):
        names = [entry["name"] for entry in job["entries"]]
        turn()
        return os._exit(3) if "bad" in names else {key: {"status": "measured"} for key in names}

    monkeypatch.setattr(worker, "_do", do)
    entries = [{"name": name} for name in ("a", "bad", "b")]
    whole = {"entries": entries, "runtimes": ["keras"], "counts": [1], "memory_seconds": 0}
    found = worker.measure(whole, lambda: None)["latency"]["1"]
    assert {name: cost["status"] for name, cost in found.items()} == {
        "a": "measured",
        "bad": "failed",
        "b": "measured",
    }
    assert "status 3" in found["bad"]["reason"]


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel for it")
def test_what_measures_ends_with_the_sweep_even_by_sigkill(tmp_path):
    """Else the same command, started again, would be timed beside it."""
    script = (
        "import os, time; from bench.measure.fresh_process import FreshProcess\n"
        f"work = lambda turn: open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())) and time.sleep(60)\n"
        "FreshProcess(work).result()"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=Path(worker.__file__).parents[2])
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        assert parent.poll() is None
        time.sleep(0.05)
    child = int((tmp_path / "pid").read_text())
    parent.kill()
    parent.wait()
    for _ in range(100):
        if not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE:
            break
        time.sleep(0.05)
    else:
        pytest.fail("it goes on")


def test_processes_prepare_side_by_side_and_time_one_after_the_other(tmp_path, monkeypatch):
    monkeypatch.setattr(fresh_process.psutil.Process, "num_threads", lambda _: 1)

    def note(text):
        with (tmp_path / "log").open("a") as log:
            log.write(text + "\n")

    def do(job, turn):
        note("prepared")
        turn()
        note(f"begins {job['threads']}")
        time.sleep(0.2)
        note(f"ends {job['threads']}")
        return {}

    monkeypatch.setattr(worker, "_do", do)
    worker.measure(
        {"entries": [], "runtimes": ["keras"], "counts": [1, 2], "memory_seconds": 0}, lambda: None
    )
    alone = ["begins 1", "ends 1", "begins 2", "ends 2"]
    assert (tmp_path / "log").read_text().split("\n") == ["prepared", "prepared", *alone, ""]


def test_who_waits_for_a_turn_that_nobody_will_give_ends(monkeypatch):
    monkeypatch.setattr(fresh_process.psutil.Process, "num_threads", lambda _: 1)
    process = fresh_process.FreshProcess(lambda turn: turn() or {})
    process.wait_until_prepared()
    process._line.close()
    process._process.join()
    assert process._process.exitcode == 1


@pytest.mark.slow
def test_where_it_cannot_fork_a_new_process_does_the_same(save_entry, mlp, monkeypatch):
    monkeypatch.setattr(fresh_process, "can_fork", lambda: False)
    whole = job(save_entry("m", mlp), packages=["architectures"])
    found = worker._process("latency", whole, 1).result()["m"]
    assert (found["status"], found["macs"]) == ("measured", 8 * 4 + 4 * 2)
    assert found["runtimes"]["keras"]["timing"]["inference_ms"] > 0


def test_a_conversion_that_crashes_costs_nothing_else(monkeypatch):
    class Process:
        def __init__(self, mode, job, threads):
            self.mode, self.found = mode, {"a": threads}

        def wait_until_prepared(self): ...

        def result(self):
            if self.mode == "conversion":
                raise fresh_process.ProcessDied("killed")
            return self.found

    monkeypatch.setattr(worker, "_process", Process)
    whole = {"entries": [{}], "runtimes": ["keras", "litert"], "counts": [1, 2], "memory_seconds": 0}
    assert worker.measure(whole, lambda: None) == {"latency": {"1": {"a": 1}, "2": {"a": 2}}, "memory": {}}


def test_every_network_is_converted_once_for_each_runtime(monkeypatch):
    converted = []

    class Process:
        def __init__(self, mode, job, threads):
            if mode == "conversion":
                converted.append([(entry["name"], entry["runtime"]) for entry in job["entries"]])

        def wait_until_prepared(self): ...

        def result(self):
            return {}

    monkeypatch.setattr(worker, "_process", Process)
    runtimes = ["keras", "litert", "onnxruntime"]
    whole = {"entries": [{"name": "a"}], "runtimes": runtimes, "counts": [1, 2], "memory_seconds": 0}
    worker.measure(whole, lambda: None)
    assert converted == [[("a", "litert")], [("a", "onnxruntime")]]

    converted.clear()
    worker.measure({**whole, "entries": [{"name": name} for name in "abc"]}, lambda: None)
    first, second = converted
    assert first == [("a", "litert"), ("a", "onnxruntime"), ("c", "litert")]
    assert second == [("c", "onnxruntime"), ("b", "litert"), ("b", "onnxruntime")]


def test_custom_layers_are_found_in_packages(tmp_path, monkeypatch):
    package = tmp_path / "odd_architectures"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "broken.py").write_text("raise RuntimeError('half written')")
    (package / "twice.py").write_text(
        "import keras\n@keras.saving.register_keras_serializable('odd')\n"
        "class Twice(keras.layers.Layer):\n    def call(self, x):\n        return 2 * x\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import_packages(["odd_architectures", "no_such_package"])
    twice = keras.saving.get_registered_object("odd>Twice")
    path = tmp_path / "m.keras"
    keras.Sequential([keras.Input((2,)), twice()]).save(path)
    assert np.array_equal(load_model(str(path))(np.ones((1, 2))), [[2, 2]])


def test_samples_are_repeated_until_there_are_enough(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.arange(3.0)[:, None])
    x = load_samples(str(path), 5)
    assert x.dtype == np.float32
    assert x[:, 0].tolist() == [0, 1, 2, 0, 1]
    np.save(path, np.zeros((0, 2)))
    with pytest.raises(ValueError, match="no samples"):
        load_samples(str(path), 5)
