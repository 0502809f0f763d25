"""What the machine, not the code, kept from being done: tried again, with the same table in the end."""

import threading
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest
from fake_workers import FakeWorkers, Rungs, TinyDigits, good, settings_for, sweep_with

from bench.errors import UserError
from bench.sweep import scheduler
from bench.sweep.cluster import Cluster
from bench.sweep.journal import Journal
from bench.sweep.state import State
from bench.tasks import Candidate
from bench.worker import execute, spaces
from tuning.training import Diverged

OUT_OF_MEMORY = {"failed": "out of memory", "environment": True, "traceback": "..."}


@pytest.fixture(autouse=True)
def _short_ticks(monkeypatch):
    monkeypatch.setattr(scheduler, "_TICK_SECONDS", 0.02)


def fails_over(*keys: str):
    return lambda description: OUT_OF_MEMORY if description["piece"] in keys else good(description)


def start_again(workers: FakeWorkers, settings) -> scheduler.Sweep:
    """Another start of the command in the same run folder."""
    journal = Journal(settings.runs / "run")
    journal.append("sweep", plan={}, dataset={"classes": "0123456789"})
    journal.close()
    return sweep_with(workers, settings)


class ResourceExhaustedError(Exception):
    """Stands for TensorFlow's."""


@pytest.mark.parametrize(
    ("error", "environment", "reason"),
    [
        (Diverged("the loss is nan"), False, "Diverged: the loss is nan"),
        (ArithmeticError("not defined"), False, "ArithmeticError: not defined"),
        (ValueError("a bug"), False, "ValueError: a bug"),
        (MemoryError(), True, "out of memory (MemoryError:)"),
        (ResourceExhaustedError("OOM"), True, "out of memory (ResourceExhaustedError: OOM)"),
        (FileNotFoundError(2, "No such file", "/data/x"), True, "FileNotFoundError: [Errno 2] No such file"),
        (spaces.MissingWeights("vgg16.h5 is nowhere"), True, "vgg16.h5 is nowhere"),
        (ModuleNotFoundError("No module named 'x'"), True, "ModuleNotFoundError: No module named 'x'"),
    ],
)
def test_workers_say_whether_the_environment_was_the_cause(tmp_path, monkeypatch, error, environment, reason):
    def breaks(_):
        raise error

    monkeypatch.setitem(execute._KINDS, "stage", breaks)
    outcome = execute.run({"kind": "stage", "folder": str(tmp_path)})
    assert outcome["environment"] is environment
    assert outcome["failed"].startswith(reason)


def test_what_may_not_be_read_is_no_lack_of_a_writable_folder(tmp_path, monkeypatch):
    def breaks(description):
        raise PermissionError(13, "Permission denied", description["file"])

    monkeypatch.setitem(execute._KINDS, "stage", breaks)
    described = {"kind": "stage", "folder": str(tmp_path)}
    weights = execute.run({**described, "file": "/data/vgg16.h5"})
    assert weights["environment"]
    assert "/data/vgg16.h5" in weights["failed"]
    assert "cannot write" in execute.run({**described, "file": str(tmp_path / "work" / "x")})["fatal"]


def test_an_error_of_a_graph_says_what_and_not_where(tmp_path, monkeypatch):
    def breaks(_):
        raise RuntimeError(
            "Graph execution error:\n\nDetected at node Conv2D defined at (most recent call last):\n"
            '  File "x.py", line 1, in f\n\ninput depth 3 is no multiple of 4\n\t [[{{node Conv2D}}]] [Op:__f]'
        )

    monkeypatch.setitem(execute._KINDS, "stage", breaks)
    outcome = execute.run({"kind": "stage", "folder": str(tmp_path)})
    assert outcome["failed"] == "RuntimeError: input depth 3 is no multiple of 4"


def test_a_cluster_s_address_without_a_port_is_refused_at_once():
    with pytest.raises(UserError, match="CLUSTER=foo: found another address"):
        Cluster("foo")


def test_a_machine_without_the_run_folder_is_at_fault_and_makes_none(tmp_path):
    outcome = execute.run({"kind": "stage", "folder": str(tmp_path / "mount" / "run")})
    assert outcome["environment"]
    assert str(tmp_path / "mount" / "run") in outcome["failed"]
    assert not (tmp_path / "mount").exists()


def test_missing_weights_that_came_are_used_at_the_next_start(tmp_path):
    settings = settings_for(tmp_path, candidates=(Candidate("compact"), Candidate("wide")))
    first = FakeWorkers(fails_over("space/wide"))
    swept = sweep_with(first, settings)
    assert first.keys.count("space/wide") == 1
    assert swept.plan.winner("compact", 0) is not None
    assert swept.state.failed["space/wide"] == "out of memory; the next start tries it again"
    assert not swept.plan.finished()
    again = FakeWorkers()
    done = start_again(again, settings)
    assert {key.split("/")[1] for key in again.keys} == {"wide"}
    assert done.plan.finished()
    assert done.state.failed == {}


@pytest.mark.parametrize(
    ("tuner", "in_first"), [("random", 9), ("grid", 9), ("bayesian", 7), ("hyperband", 9)]
)
def test_a_search_with_a_deferred_trial_ends_as_one_that_ran_straight_through(tmp_path, tuner, in_first):
    """An oracle that learns from scores waits; the best so far is tested; later all is as if nothing had been."""
    settings = settings_for(tmp_path, tuner=tuner, trials=10)
    swept = sweep_with(FakeWorkers(fails_over("stage/compact/0/2/0/0")), settings)
    assert len(swept.state.trials("compact", 0)) == in_first
    best = swept.state.best_trial("compact", 0)
    assert swept.state.refits("compact", 0, best), "what can be tested is"
    again = FakeWorkers()
    done = start_again(again, settings)
    assert "stage/compact/0/2/0/0" in again.keys
    assert done.plan.finished()
    straight = sweep_with(FakeWorkers(), settings_for(tmp_path / "straight", tuner=tuner, trials=10))
    assert done.state.trials("compact", 0) == straight.state.trials("compact", 0)
    assert set(straight.state.done) <= set(done.state.done)


def test_what_ran_out_of_memory_beside_others_is_tried_alone_before_it_counts(tmp_path):
    running: list[str] = []
    tried: list[int] = []

    class Parallel(FakeWorkers):
        def submit(self, slot, function, description):
            self.descriptions.append(description)
            future, key = Future(), description["piece"]
            if key == "stage/compact/0/1/0/0":
                tried.append(len(running))
                future.set_result(OUT_OF_MEMORY if running else good(description))
                return future
            running.append(key)

            def end() -> None:
                running.remove(key)
                future.set_result(good(description))

            threading.Timer(0.05, end).start()
            return future

    done = sweep_with(Parallel(slots=3), settings_for(tmp_path, trials=5))
    assert tried[0] > 0
    assert tried[1:] == [0]
    assert done.plan.finished()
    assert done.state.failed == {}


def test_what_fails_alone_too_ends_no_loop_and_leaves_its_reason(tmp_path):
    workers = FakeWorkers(fails_over("stage/compact/0/0/0/0", "stage/compact/0/1/0/0"), slots=2)
    swept = sweep_with(workers, settings_for(tmp_path))
    assert workers.keys.count("stage/compact/0/0/0/0") == 2
    assert swept.state.deferred == {"stage/compact/0/0/0/0", "stage/compact/0/1/0/0"}
    assert swept.plan.winner("compact", 0) is None


def test_a_final_failure_after_a_deferred_one_is_final():
    deferred = {
        "event": "failed",
        "piece": "trial/compact/0/0",
        "reason": "out of memory",
        "environment": True,
    }
    final = {"event": "failed", "piece": "trial/compact/0/0", "reason": "Diverged"}
    state = State.replay([deferred, {"event": "sweep"}, final, {"event": "sweep"}])
    assert state.failed == {"trial/compact/0/0": "Diverged"}
    assert state.settled("trial/compact/0/0")


class _Client:
    """Dask's client, as far as `Cluster` uses it; workers named `bad` have no mount."""

    status = "running"

    def __init__(self, *workers: str) -> None:
        self.workers, self.asked = workers, []

    def wait_for_workers(self, *_, **__) -> None: ...

    def run(self, *_, **__) -> dict:
        return {}

    def get_executor(self, **_) -> "_Client":
        return self

    def scheduler_info(self, n_workers: int) -> dict:
        return {"workers": {worker: {} for worker in self.workers}}

    def submit(self, function, work, description, workers=None) -> Future:
        """The first of the workers allowed is always idle: it fails so fast."""
        worker = (workers or self.workers)[0]
        self.asked.append(worker)
        future: Future = Future()
        future.set_result({"worker": worker, **(OUT_OF_MEMORY if "bad" in worker else {"result": {}})})
        return future


@pytest.mark.parametrize(
    ("workers", "asked"),
    [
        (("bad", "good", "well"), ["bad", "bad", "good", "good"]),
        (("good", "bad"), ["good"] * 4),
        (("bad",), ["bad"] * 4),
    ],
)
def test_a_cluster_worker_whose_machine_fails_gets_no_more(monkeypatch, workers, asked):
    distributed = pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
    client = _Client(*workers)
    monkeypatch.setattr(distributed, "Client", lambda *_, **__: client)
    cluster = Cluster("tcp://made-up:8786")
    for slot in range(4):
        cluster.submit(slot, execute.run, {"piece": str(slot)})
    assert client.asked == asked
    assert cluster.slots == max(len(workers) - (asked[-1] != asked[0]), 1)


def test_a_deferred_piece_keeps_its_checkpoint(tmp_path):
    from bench.sweep.run_directory import clean

    (tmp_path / "work").mkdir()
    for name in ("refit-compact-0-0-1.npz", "refit-compact-0-0-2.npz"):
        Path(tmp_path / "work" / name).touch()
    events = [
        {"event": "failed", "piece": "refit/compact/0/0/1", "reason": "out of memory", "environment": True},
        {"event": "failed", "piece": "refit/compact/0/0/2", "reason": "Diverged"},
    ]
    clean(tmp_path, State.replay(events))
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["refit-compact-0-0-1.npz"]


def test_trials_go_on_to_their_full_number_of_epochs_without_one_that_cannot_be_done(tmp_path):
    """And the table in the end is that of a sweep in which it could."""
    settings = settings_for(tmp_path, task=Rungs(), trials=16)
    workers = FakeWorkers(fails_over("stage/compact/0/3/0/0"))
    swept = sweep_with(workers, settings)
    results = swept.state.trials("compact", 0)
    assert sorted({*range(16)} - results.keys()) == [3]
    assert sum(result["complete"] for result in results.values()) >= 2
    assert results[swept.plan.winner("compact", 0)]["complete"]
    assert swept.plan.finished()

    again = start_again(FakeWorkers(), settings)
    straight = sweep_with(FakeWorkers(), settings_for(tmp_path / "straight", task=Rungs(), trials=16))
    for sweep in (again, straight):
        assert len(sweep.state.trials("compact", 0)) == 16
    assert again.state.trials("compact", 0) == straight.state.trials("compact", 0)


def test_one_that_went_on_for_lack_of_another_and_failed_is_judged_anew(tmp_path):
    """When the other can be done, it would not have gone on: its failure has not been."""

    class Quarter(TinyDigits):
        presets = {"smoke": replace(TinyDigits.presets["smoke"], epochs=8, judged_at=(2,))}

    def settings(name: str):
        return settings_for(tmp_path / name, task=Quarter(), trials=8)

    workers = FakeWorkers()
    straight = sweep_with(workers, settings("straight"))
    gone_on = {key.split("/")[3] for key in workers.keys if key.startswith("stage") and "/1/" in key[-4:]}
    [missing] = gone_on - {"0"}

    def diverges(description: dict) -> dict:
        number = description["piece"].split("/")[3] if description["kind"] == "stage" else "0"
        return (
            {"failed": "Diverged"}
            if description.get("until") == 8 and number not in gone_on
            else good(description)
        )

    def fails(description: dict) -> dict:
        return OUT_OF_MEMORY if description["piece"].endswith(f"/{missing}/0/0") else diverges(description)

    first = sweep_with(FakeWorkers(fails), settings("again"))
    assert list(first.state.trials("compact", 0).values()).count(None) == 1
    second = start_again(FakeWorkers(diverges), settings("again"))
    assert second.state.trials("compact", 0) == straight.state.trials("compact", 0)
    assert not second.state.failed


def test_a_trial_that_fails_for_good_is_not_tried_again_for_what_the_machine_did_to_it():
    """One of its inner folds had no memory, the next diverged: the journal could not be read ever after."""
    stage, trial = "stage/compact/0/0/1/1", "trial/compact/0/0"
    events = [
        {"event": "sweep"},
        {"event": "failed", "piece": stage, "reason": "out of memory", "environment": True},
        {"event": "failed", "piece": stage.replace("1/1", "1/2"), "reason": "Diverged"},
        {"event": "failed", "piece": trial, "reason": "Diverged"},
    ]
    assert State.replay(events).deferred == set()
    assert State.replay([*events, {"event": "sweep"}]).failed == {trial: "Diverged"}
