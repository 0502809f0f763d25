"""The loop of a sweep under deaths, failures, stalls, signals, budgets and full disks; nothing is trained."""

import dataclasses
import json
import os
import signal
import threading
import time
from collections import Counter
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool

import pytest
from fake_workers import FakeWorkers, Rungs, TinyDigits, good, settings_for, sweep_with

from bench.errors import UserError
from bench.sweep import journal, scheduler
from bench.tasks import Ablation, Candidate
from bench.tasks.contract.ablation import NO_TRANSFER
from tuning.space import Fixed, discover

TRIALS = ["stage/compact/0/0/0/0", "stage/compact/0/1/0/0"]


@pytest.fixture(autouse=True)
def _short_ticks(monkeypatch):
    monkeypatch.setattr(scheduler, "_TICK_SECONDS", 0.02)


def events(settings, kind: str | None = None) -> list[dict]:
    found, _, dropped = journal.read(settings.runs / "run" / journal.FILE)
    assert not dropped
    return [event for event in found if kind in (None, event["event"])]


def dies_over(key: str, times: int):
    """A worker that dies over one piece so often."""
    left = [times]

    def answer(description: dict):
        if description["piece"] == key and left[0]:
            left[0] -= 1
            return BrokenProcessPool("killed")
        return good(description)

    return answer


def test_a_sweep_runs_every_piece_once_in_order(tmp_path):
    workers, settings = FakeWorkers(), settings_for(tmp_path)
    done = sweep_with(workers, settings)
    best = max(
        (d for d in workers.descriptions if d["kind"] == "stage"), key=lambda d: d["values"]["learning_rate"]
    )
    trial = best["piece"].split("/")[3]
    assert workers.keys == [
        "space/compact",
        "reference/nearest_neighbours/0",
        *TRIALS,
        f"refit/compact/0/{trial}/1",
    ]
    assert done.plan.finished()
    assert done.interrupted is None
    assert workers.descriptions[-1]["values"] == best["values"]
    assert workers.descriptions[-1]["seed"] != best["seed"]


def test_a_finished_sweep_has_nothing_to_do_and_more_trials_are_only_the_new_ones(tmp_path):
    settings = settings_for(tmp_path)
    first = FakeWorkers()
    sweep_with(first, settings)
    again = FakeWorkers()
    sweep_with(again, settings)
    assert again.keys == []
    more = FakeWorkers()
    sweep_with(more, settings_for(tmp_path, trials=4))
    assert [key for key in more.keys if key.startswith("stage")] == [
        "stage/compact/0/2/0/0",
        "stage/compact/0/3/0/0",
    ]
    straight = FakeWorkers()
    sweep_with(straight, settings_for(tmp_path / "straight", trials=4))
    values = {d["piece"]: d.get("values") for d in straight.descriptions}
    assert all(values[d["piece"]] == d["values"] for d in more.descriptions if d["kind"] == "stage")


def test_more_seeds_are_only_the_new_refits(tmp_path):
    sweep_with(FakeWorkers(), settings_for(tmp_path))
    more = FakeWorkers()
    sweep_with(more, settings_for(tmp_path, seeds=3))
    assert [key.rsplit("/", 1)[1] for key in more.keys] == ["2", "3"]
    assert all(key.startswith("refit/") for key in more.keys)


def test_a_piece_whose_worker_died_goes_back_into_the_queue(tmp_path):
    workers, settings = FakeWorkers(dies_over(TRIALS[1], 2)), settings_for(tmp_path)
    done = sweep_with(workers, settings)
    assert workers.keys.count(TRIALS[1]) == 3
    assert [event["piece"] for event in events(settings, "lost")] == [TRIALS[1]] * 2
    assert events(settings, "failed") == []
    assert workers.killed == [0, 0]
    assert done.plan.finished()
    tried = [d for d in workers.descriptions if d["piece"] == TRIALS[1]]
    assert tried[0] == tried[1] == tried[2]


def test_a_piece_that_costs_a_third_worker_has_failed_and_the_sweep_goes_on(tmp_path):
    workers, settings = FakeWorkers(dies_over(TRIALS[0], 99)), settings_for(tmp_path)
    done = sweep_with(workers, settings)
    assert workers.keys.count(TRIALS[0]) == 3
    [failed] = events(settings, "failed")
    assert failed["piece"] == TRIALS[0]
    assert failed["reason"] == "its worker died (killed, or out of memory), 3 times"
    assert workers.keys[-1] == "refit/compact/0/1/1"
    assert done.plan.finished()


def test_losses_are_remembered_over_a_restart(tmp_path):
    settings = settings_for(tmp_path)

    def answer(description: dict):
        if description["piece"] != TRIALS[0]:
            return good(description)
        return KeyboardInterrupt() if len(events(settings, "lost")) == 2 else BrokenProcessPool("killed")

    with pytest.raises(KeyboardInterrupt):
        sweep_with(FakeWorkers(answer), settings)
    workers = FakeWorkers(dies_over(TRIALS[0], 99))
    sweep_with(workers, settings)
    assert workers.keys.count(TRIALS[0]) == 1


@pytest.mark.parametrize(
    "reason",
    [
        "Diverged: the loss is nan after epoch 1 of 3",
        "out of memory",
        "ValueError: a bug in one architecture",
    ],
)
def test_a_failed_trial_is_a_row_with_its_reason(tmp_path, reason):
    def answer(description: dict):
        return (
            {"failed": reason, "traceback": "..."} if description["piece"] == TRIALS[0] else good(description)
        )

    settings = settings_for(tmp_path)
    done = sweep_with(FakeWorkers(answer), settings)
    assert [(event["piece"], event["reason"]) for event in events(settings, "failed")] == [
        (TRIALS[0], reason),
        ("trial/compact/0/0", reason),
    ]
    assert done.state.trials("compact", 0)[0] is None
    assert done.plan.winner("compact", 0) == 1
    assert done.plan.finished()
    again = FakeWorkers()
    sweep_with(again, settings)
    assert again.keys == []


@pytest.mark.parametrize("kind", ["space", "stage"])
def test_an_architecture_that_cannot_be_trained_does_not_end_the_sweep(tmp_path, kind):
    def answer(description: dict):
        broken = description["kind"] == kind and description["candidate"] == "wide"
        return {"failed": "ValueError: broken"} if broken else good(description)

    settings = settings_for(tmp_path, candidates=(Candidate("wide"), Candidate("compact")))
    done = sweep_with(FakeWorkers(answer), settings)
    assert done.plan.finished()
    assert done.state.refits("compact", 0, done.plan.winner("compact", 0))
    assert done.plan.winner("wide", 0) is None
    assert all(reason == "ValueError: broken" for reason in done.state.failed.values())


def test_a_piece_without_progress_is_taken_back(tmp_path):
    answered = []

    def answer(description: dict):
        if description["piece"] == TRIALS[0] and not answered:
            answered.append(1)
            return None
        return good(description)

    workers, settings = FakeWorkers(answer), settings_for(tmp_path, stall_seconds=0.3)
    done = sweep_with(workers, settings)
    assert workers.killed == [0]
    [lost] = events(settings, "lost")
    assert lost["reason"] == "no progress for 0.3 s"
    assert done.plan.finished()


def test_a_piece_that_reports_epochs_is_not_taken_back(tmp_path):
    settings = settings_for(tmp_path, stall_seconds=0.5)

    class Slow(FakeWorkers):
        def submit(self, slot, function, description):
            if description["piece"] != TRIALS[0]:
                return super().submit(slot, function, description)
            self.descriptions.append(description)
            future: Future = Future()

            def work() -> None:
                notes = settings.runs / "run" / "work" / "stage-compact-0-0-0-0.progress"
                notes.parent.mkdir(exist_ok=True)
                for epoch in range(10):
                    time.sleep(0.12)
                    notes.with_suffix(".tmp").write_text(f'{{"epoch": {epoch}}}')
                    os.replace(notes.with_suffix(".tmp"), notes)
                future.set_result(good(description))

            threading.Thread(target=work).start()
            return future

    workers = Slow()
    sweep_with(workers, settings)
    assert workers.killed == []
    assert events(settings, "lost") == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_sweep_in_order(tmp_path, number):
    settings = settings_for(tmp_path)
    before = signal.getsignal(number)

    def answer(description: dict):
        if description["piece"] == TRIALS[0]:
            os.kill(os.getpid(), number)
            time.sleep(0.01)
            assert os.path.exists(description["stop"])
            return {"stopped": True}
        return good(description)

    ended = sweep_with(FakeWorkers(answer), settings)
    assert ended.interrupted == number.name
    assert not (settings.runs / "run" / "stop").exists()
    assert signal.getsignal(number) is before
    assert TRIALS[0] not in ended.state.done
    again = FakeWorkers()
    assert sweep_with(again, settings).plan.finished()
    assert again.keys[:2] == TRIALS


def test_what_ends_after_the_signal_is_recorded(tmp_path):
    def answer(description: dict):
        if description["piece"] == TRIALS[0]:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)
        return good(description)

    ended = sweep_with(FakeWorkers(answer), settings_for(tmp_path))
    assert TRIALS[0] in ended.state.done
    assert TRIALS[1] not in ended.state.done


def test_a_second_signal_ends_at_once(tmp_path):
    def answer(description: dict):
        if description["piece"] == TRIALS[0]:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)
        return good(description)

    settings = settings_for(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        sweep_with(FakeWorkers(answer), settings)
    assert sweep_with(FakeWorkers(), settings).plan.finished()


def test_a_used_up_budget_ends_in_order(tmp_path):
    def answer(description: dict):
        if description["piece"] == TRIALS[1]:
            time.sleep(0.6)
        return good(description, seconds=0.01)

    settings = settings_for(tmp_path, budget_seconds=0.8, trials=50)
    ended = sweep_with(FakeWorkers(answer), settings)
    assert ended.interrupted == "budget"
    assert len(ended.state.trials("compact", 0)) < 50
    assert sweep_with(FakeWorkers(), settings_for(tmp_path, trials=50)).plan.finished()


def test_a_budget_leaves_time_for_refits(tmp_path):
    """A search is closed when its trials and the refits to come have used its share of the time."""
    settings = settings_for(tmp_path, budget_seconds=40.0, trials=50, seeds=2)
    workers = FakeWorkers()  # a second a trial by its own account; 20 of the 40 are kept for measuring
    ended = sweep_with(workers, settings)
    kinds = Counter(key.split("/")[0] for key in workers.keys)
    assert ended.interrupted is None
    assert kinds["refit"] == 2
    assert 15 <= kinds["stage"] <= 30
    assert kinds["stage"] == len(ended.state.trials("compact", 0))
    more = FakeWorkers()
    sweep_with(more, settings_for(tmp_path, trials=50, seeds=2))
    assert Counter(key.split("/")[0] for key in more.keys)["stage"] == 50 - kinds["stage"]


@pytest.mark.parametrize("tested", [0, 3])
def test_refits_longer_than_a_share_do_not_end_every_call(tmp_path, tested):
    """A search was closed before its first trial in every call, and the end recorded as "finished"."""
    if tested:
        sweep_with(FakeWorkers(), settings_for(tmp_path, trials=2, seeds=tested))

    def answer(description: dict):
        return good(description, seconds=10.0)

    more = {"trials": 4, "seeds": 3}
    for _ in range(6):
        workers = FakeWorkers(answer)
        swept = sweep_with(workers, settings_for(tmp_path, **more, budget_seconds=25.0))
        assert workers.keys
        if swept.unfinished is None:
            break
        assert swept.unfinished == "budget"
    assert swept.unfinished is None
    assert len(swept.state.trials("compact", 0)) == 4


def test_a_budget_foresees_that_refits_are_longer_than_the_first_rungs(tmp_path):
    spent: dict[str, list[float]] = {"stage": [], "refit": []}

    def answer(description: dict):  # a second an epoch
        epochs = {2: 2, 6: 4, 18: 12}[description["until"]] if "until" in description else 18
        spent.setdefault(description["kind"], []).append(epochs)
        return good(description, epochs)

    settings = settings_for(tmp_path, task=Rungs(), budget_seconds=62.0, trials=50, seeds=2)
    workers = FakeWorkers(answer)
    sweep_with(workers, settings)
    assert len(spent["refit"]) == 2
    available = 62 - 10 - 2 * settings.preset.measure_seconds
    assert sum(spent["stage"][:-1] + spent["refit"]) < available <= sum(spent["stage"] + spent["refit"])


def test_refits_wait_for_trials_of_a_closed_search_that_still_run(tmp_path):
    sweep_with(FakeWorkers(), settings_for(tmp_path, trials=2, seeds=1))
    more = sweep_with(FakeWorkers(), settings_for(tmp_path, trials=3, seeds=2), run=False)
    more.journal.close()
    more.plan.close({"compact"})
    third = {"stage/compact/0/2/0/0"}

    def refits(*keys: set[str]) -> list[str]:
        return [piece.key for piece in more.plan.ready(*keys) if piece.kind == "refit"]

    assert len(refits(set())) == 1
    assert refits(third) == []
    assert len(refits({"stage/compact/1/2/0/0"})) == 1  # another fold's
    assert len(refits(set(), third)) == 1  # it cannot be done here: nobody waits for it


def test_a_full_disk_in_a_worker_is_one_clear_line(tmp_path):
    def answer(description: dict):
        if description["piece"] == TRIALS[1]:
            return {"fatal": "/runs/x/predictions: cannot write (no space left)"}
        return good(description)

    settings = settings_for(tmp_path)
    with pytest.raises(UserError, match=r"^/runs/x/predictions: cannot write \(no space left\); expected"):
        sweep_with(FakeWorkers(answer), settings)
    assert TRIALS[0] in {event.get("piece") for event in events(settings, "done")}
    assert events(settings, "failed") == []
    assert sweep_with(FakeWorkers(), settings).plan.finished()


def test_a_bug_of_ours_is_not_hidden(tmp_path):
    def answer(description: dict):
        return TypeError("a bug") if description["piece"] == TRIALS[0] else good(description)

    with pytest.raises(TypeError, match="a bug"):
        sweep_with(FakeWorkers(answer), settings_for(tmp_path))


def _wide_takes_ten_times_as_long(tmp_path, **changes) -> list[str]:
    """Keys of the pieces of a sweep of two networks, in the order that they were given out."""
    candidates = tuple(Candidate(name) for name in ("compact", "wide"))

    def answer(description: dict):
        return good(description, seconds=10.0 if description["candidate"] == "wide" else 1.0)

    workers = FakeWorkers(answer)
    sweep_with(workers, settings_for(tmp_path, candidates=candidates, **changes))
    return workers.keys


def test_time_is_shared_among_architectures_not_trials(tmp_path):
    """With a budget, and one network's trials ten times as long: the other gets ten for each of its."""
    keys = _wide_takes_ten_times_as_long(tmp_path, trials=30, budget_seconds=1e5)
    first = [key.split("/")[1] for key in keys if key.startswith("stage")][:24]
    assert 1 <= first.count("wide") <= 4


def test_the_longest_goes_first_so_that_workers_end_together(tmp_path):
    keys = _wide_takes_ten_times_as_long(tmp_path, trials=3, seeds=2)
    kept = [key.split("/")[:2] for key in keys if key.startswith(("stage", "refit"))]
    # Nobody knows how long a trial of either takes until each has had one.
    assert sorted(name for _, name in kept[:2]) == ["compact", "wide"]
    assert kept[2:6] == [["stage", "wide"]] * 2 + [["refit", "wide"]] * 2
    assert kept[6:] == [["stage", "compact"]] * 2 + [["refit", "compact"]] * 2


def test_slots_are_filled_and_no_piece_runs_twice_at_a_time(tmp_path):
    waiting: list[tuple[Future, dict]] = []
    most = [0]

    class Parallel(FakeWorkers):
        def submit(self, slot, function, description):
            self.descriptions.append(description)
            future: Future = Future()
            running = [d["piece"] for f, d in waiting if not f.done()]
            assert description["piece"] not in running
            most[0] = max(most[0], len(running) + 1)
            waiting.append((future, description))
            threading.Timer(0.1, lambda: future.set_result(good(description))).start()
            return future

    workers = Parallel(slots=3)
    done = sweep_with(workers, settings_for(tmp_path, trials=6))
    assert most[0] == 3
    assert len(set(workers.keys)) == len(workers.keys)
    straight = FakeWorkers()
    sweep_with(straight, settings_for(tmp_path / "straight", trials=6))
    assert sorted(straight.keys) == sorted(workers.keys)
    assert done.plan.finished()


class _Switched(TinyDigits):
    """A pretrained network with one structure, and switches: of structure, training, preprocessing, transfer."""

    references = ()
    ablations = (
        Ablation("narrow", "with 32 units", values={"units": 32}, effect="with"),
        Ablation("slow", "at a low rate", values={"learning_rate": 1e-6}, effect="with"),
        Ablation("raw", "as they are", preprocessing={"scaling": "none"}),
        NO_TRANSFER,
    )


def _of_one_structure(description: dict):
    """Answers of workers for a network of 64 units."""
    space = [*TinyDigits.training_space, Fixed("frozen", 0.5)]
    if description["kind"] == "space":
        return {"result": {**discover(lambda hp: hp.Fixed("units", 64), space)}}
    outcome = good(description)
    if description["kind"] == "pretrain":
        outcome["result"]["files"] = {"weights": {"path": f"{description['piece']}.npz", "sha256": ""}}
    return outcome


def test_a_switch_of_a_pretrained_networks_structure_or_preprocessing_is_pretrained_too(tmp_path):
    workers = FakeWorkers(_of_one_structure)
    pretrained = (Candidate("compact", "phantom"),)
    done = sweep_with(workers, settings_for(tmp_path, task=_Switched(), candidates=pretrained, folds=2))
    pretrained = (d for d in workers.descriptions if d["kind"] == "pretrain")
    first, narrow, raw = sorted(pretrained, key=lambda d: d["piece"])
    assert first["piece"] == "pretrain/compact-phantom"
    assert narrow["piece"] == "pretrain/compact-phantom/narrow"
    assert narrow["values"] == {**first["values"], "units": 32}
    assert narrow["preprocessing"] == first["preprocessing"]
    assert raw["piece"] == "pretrain/compact-phantom/raw"
    assert raw["values"] == first["values"]
    assert raw["preprocessing"] == {**first["preprocessing"], "scaling": "none"}
    found = {
        (d["piece"].split("/")[1], d["fold"]): (d["start"], d["values"]["units"], d["preprocessing"])
        for d in workers.descriptions
        if d["kind"] == "ablation" and d["transfer"] == "phantom"
    }
    as_it_was = first["preprocessing"]
    for fold in (0, 1):
        assert found["narrow", fold] == ("pretrain/compact-phantom/narrow.npz", 32, as_it_was)
        assert found["slow", fold] == ("pretrain/compact-phantom.npz", 64, as_it_was)
        assert found["raw", fold] == ("pretrain/compact-phantom/raw.npz", 64, raw["preprocessing"])
    # Of the winner some layers were frozen: random ones that never learn would be no fair comparison.
    frozen = {d["transfer"]: d["values"]["frozen"] for d in workers.descriptions if d["kind"] == "ablation"}
    assert frozen == {"phantom": 0.5, "scratch": 0.0}
    assert done.plan.finished()


@pytest.mark.parametrize(
    ("left_out", "some"), [({"pretrains_ablations": False}, True), ({"ablation_seeds": 0}, False)]
)
def test_a_preset_may_leave_out_what_would_be_pretrained_anew(tmp_path, left_out, some):
    workers = FakeWorkers(_of_one_structure)
    task = _Switched()
    presets = {name: dataclasses.replace(preset, **left_out) for name, preset in task.presets.items()}
    pretrained = (Candidate("compact", "phantom"),)
    done = sweep_with(workers, settings_for(tmp_path, task=task.but(presets=presets), candidates=pretrained))
    switched = {d["piece"].split("/")[1] for d in workers.descriptions if d["kind"] == "ablation"}
    assert ("slow" in switched) == some
    assert not switched & {"narrow", "raw"}
    assert [d["piece"] for d in workers.descriptions if d["kind"] == "pretrain"] == [
        "pretrain/compact-phantom"
    ]
    assert done.plan.finished()


def test_a_switch_that_cannot_be_pretrained_is_left_out(tmp_path):
    def answer(description: dict):
        fails = description["piece"].endswith("/narrow")
        return {"failed": "too narrow"} if fails else _of_one_structure(description)

    workers = FakeWorkers(answer)
    pretrained = (Candidate("compact", "phantom"),)
    done = sweep_with(workers, settings_for(tmp_path, task=_Switched(), candidates=pretrained))
    assert done.state.failed == {"pretrain/compact-phantom/narrow": "too narrow"}
    assert [d["piece"].split("/")[1] for d in workers.descriptions if d["kind"] == "ablation"] == [
        "slow",
        "raw",
        "no_transfer",
    ]
    assert done.plan.finished()


@pytest.mark.parametrize("tuner", ["random", "bayesian"])
def test_any_record_may_be_damaged_and_the_sweep_ends_the_same(tmp_path, tuner):
    """What was recorded of it is done again; whatever refers to it finds it again."""
    pretrained = (Candidate("compact", "phantom"),)
    changes = {"task": _Switched(), "candidates": pretrained, "trials": 10, "tuner": tuner}
    settings = settings_for(tmp_path, **changes)
    expected = sweep_with(FakeWorkers(_of_one_structure), settings).state.done
    path = settings.runs / "run" / journal.FILE
    lines = path.read_bytes().splitlines(keepends=True)
    for place, line in enumerate(lines):
        path.write_bytes(b"".join([*lines[:place], line.replace(b'"', b"'", 1), *lines[place + 1 :]]))
        workers = FakeWorkers(_of_one_structure)
        done = sweep_with(workers, settings)
        assert done.state.done == expected
        assert done.plan.finished()
        event = json.loads(line)
        judged = event["piece"].startswith("trial/")  # from trainings that are there
        assert workers.keys == [event["piece"]] * (event["event"] == "done" and not judged)


def test_ablation_keys_name_their_candidate(tmp_path):
    from bench.sweep.state import parse_key

    assert parse_key("ablation/no_crop/vgg16-phantom/2/7/3") == {
        "kind": "ablation",
        "candidate": "vgg16-phantom",
        "fold": 2,
        "trial": 7,
        "seed": 3,
    }


def test_what_measures_is_started_while_the_last_refit_runs_and_is_idle_when_steps_are_timed(tmp_path):
    log: list[str] = []

    class Slow(FakeWorkers):
        def submit(self, slot, function, description):
            log.append(description["piece"])
            if description["kind"] != "refit":
                return super().submit(slot, function, description)
            future: Future = Future()
            threading.Timer(0.1, lambda: future.set_result(good(description))).start()
            return future

    class Measuring:
        def start(self):
            if "started" not in log:
                log.append("started")

        def wait_until_idle(self):
            log.append("idle")

    sweep_with(Slow(slots=2), settings_for(tmp_path, measure=True), measuring=Measuring())
    refit = next(place for place, piece in enumerate(log) if piece.startswith("refit"))
    assert log[refit + 1 : refit + 3] == ["started", "idle"]
    assert all(piece.startswith("timing/") for piece in log[refit + 3 :])
    assert log[refit + 3 :]


def test_steps_are_timed_by_a_worker_that_has_traced_their_graph(tmp_path):
    traced: dict[tuple, set[int]] = {}
    timed: dict[tuple, int] = {}

    class Noted(FakeWorkers):
        def submit(self, slot, function, description):
            structure = description["candidate"], description.get("values", {}).get("units")
            if description["kind"] == "timing":
                timed[structure] = slot
            else:
                traced.setdefault(structure, set()).add(slot)
            return super().submit(slot, function, description)

    candidates = tuple(Candidate(name) for name in ("compact", "wide", "deep"))
    sweep_with(Noted(slots=2), settings_for(tmp_path, measure=True, candidates=candidates))
    assert len(timed) == 4  # three networks and the reference
    assert all(timed[structure] in traced[structure] for structure in timed if structure[1])
