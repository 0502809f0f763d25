"""Successive halving: who goes on hangs on scores alone, whoever ends first and however often it is killed."""

import os
from types import SimpleNamespace

import numpy as np
import pytest
from fake_workers import FakeWorkers, Rungs, good, settings_for, sweep_with

from bench.data.dataset import Dataset
from bench.data.splits import count_inner_folds, divide, inner_parts
from bench.sweep import trial_results
from bench.sweep.halving import COMPLETE, STOPPED, Halving
from tuning.search import Search


def settings(root, **changed):
    return settings_for(root, task=Rungs(), **{"trials": 8, **changed})


def epochs_by_trial(keys: list[str]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for key in keys:
        if key.startswith("stage/"):
            number, rung = map(int, key.split("/")[3:5])
            found.setdefault(number, []).append((2, 6, 18)[rung])
    return found


def test_a_third_goes_on_at_each_rung_with_the_defaults_and_the_rest_is_ended_early(tmp_path):
    workers = FakeWorkers()
    swept = sweep_with(workers, settings(tmp_path))
    trained = epochs_by_trial(workers.keys)
    rates = {
        int(d["piece"].split("/")[3]): d["values"]["learning_rate"]
        for d in workers.descriptions
        if "until" in d
    }
    ranked = sorted(rates, key=lambda number: -rates[number])
    second = set(ranked[:3]) if 0 in ranked[:3] else {*ranked[:2], 0}
    assert {number for number, epochs in trained.items() if epochs[:2] == [2, 6]} == second
    last = {ranked[0], 0}
    assert {number for number, epochs in trained.items() if epochs == [2, 6, 18]} == last
    assert all(trained[number] == [2] for number in set(rates) - second)
    trials = swept.state.trials("compact", 0)
    assert {number for number, result in trials.items() if result["complete"]} == last
    assert swept.plan.winner("compact", 0) == ranked[0]


def test_fewer_trials_than_there_were_are_the_first_ones(tmp_path):
    more = sweep_with(FakeWorkers(), settings(tmp_path))
    assert more.plan.winner("compact", 0) != 0
    workers = FakeWorkers()
    one = sweep_with(workers, settings(tmp_path, trials=1))
    assert one.plan.winner("compact", 0) == 0
    assert [key for key in workers.keys if key.startswith("refit")] == ["refit/compact/0/0/1"]


def test_the_winner_is_one_of_those_trained_in_full(tmp_path):
    def answer(description):  # the longer, the worse
        outcome = good(description)
        if description["kind"] == "stage":
            outcome["result"]["score"] -= description["until"]
        return outcome

    swept = sweep_with(FakeWorkers(answer), settings(tmp_path))
    winner = swept.plan.winner("compact", 0)
    assert swept.state.trials("compact", 0)[winner]["complete"]


@pytest.mark.parametrize("tuner", ["random", "grid", "hyperband"])
def test_workers_and_restarts_leave_no_trace(tmp_path, tuner):
    straight = sweep_with(FakeWorkers(), settings(tmp_path / "straight", tuner=tuner, trials=20))
    expected = straight.state.trials("compact", 0)
    several = sweep_with(FakeWorkers(slots=3), settings(tmp_path / "several", tuner=tuner, trials=20))
    assert several.state.trials("compact", 0) == expected
    for trials in (3, 8, 13, 20):  # raised step by step
        raised = sweep_with(FakeWorkers(), settings(tmp_path / "raised", tuner=tuner, trials=trials))
    found = raised.state.trials("compact", 0)
    assert {n for n, r in expected.items() if r["complete"]} <= {n for n, r in found.items() if r["complete"]}
    assert raised.plan.finished()


def test_trials_that_fail_leave_their_place_to_others(tmp_path):
    def answer(description):
        return {"failed": "Diverged"} if description["piece"].endswith("/0/0/0") else good(description)

    swept = sweep_with(FakeWorkers(answer), settings(tmp_path))
    trials = swept.state.trials("compact", 0)
    assert trials[0] is None
    assert sum(result["complete"] for result in trials.values() if result) >= 1


def test_a_training_goes_on_from_the_checkpoint_of_its_trial(tmp_path):
    workers = FakeWorkers()
    sweep_with(workers, settings(tmp_path))
    for description in workers.descriptions:
        if description["kind"] == "stage":
            number = description["piece"].split("/")[3]
            assert description["checkpoint"].endswith(f"trial-compact-0-{number}.0.npz")


def predicting(folder):
    """Answers with the predictions of the full trainings, which pooled scores are made of."""

    def answer(description):
        outcome = good(description)
        if description["kind"] == "stage" and description["until"] == 18:
            path = f"predictions/{description['piece'].replace('/', '-')}.npz"
            file = folder / path
            file.parent.mkdir(exist_ok=True)
            labels = np.arange(description["inner"], 10)  # of other sizes, so that a mean would be wrong
            right = np.eye(10)[labels if description["inner"] else labels[::-1]]
            np.savez(file, y=labels, probabilities=right)
            outcome["result"]["files"] = {"predictions": {"path": path, "sha256": "", "bytes": 0}}
        return outcome

    return answer


def test_a_full_training_is_scored_on_every_inner_fold_and_the_rungs_before_on_one(tmp_path):
    workers = FakeWorkers(predicting(tmp_path / "runs" / "run"))
    swept = sweep_with(workers, settings(tmp_path, inner_folds=3))
    last = [
        key.split("/")[3:] for key in workers.keys if key.startswith("stage") and key.split("/")[4] == "2"
    ]
    assert sorted(inner for _, _, inner in last) == sorted(["0", "1", "2"] * len({n for n, _, _ in last}))
    winner = swept.plan.winner("compact", 0)
    result = swept.state.trials("compact", 0)[winner]
    assert result["score"] == pytest.approx((9 + 8) / (10 + 9 + 8))


def better_by_area_the_worse_by_score(folder):
    predicted = predicting(folder)

    def answer(description):
        outcome = predicted(description)
        if description["kind"] == "stage":
            outcome["result"]["metrics"]["auc"] = 1 - outcome["result"]["score"]
        return outcome

    return answer


@pytest.mark.parametrize("inner_folds", [1, 3])
def test_early_rungs_go_by_the_area_under_the_curve_where_few_subjects_validate(tmp_path, inner_folds):
    workers = FakeWorkers(better_by_area_the_worse_by_score(tmp_path / "runs" / "run"))
    swept = sweep_with(workers, settings(tmp_path, inner_folds=inner_folds))
    promoted = {number for number, epochs in epochs_by_trial(workers.keys).items() if 6 in epochs}
    scores = {number: stages[0, 0]["score"] for number, stages in swept.state.stages["compact/0"].items()}
    ranked = sorted(scores, key=scores.get, reverse=inner_folds == 1)
    assert promoted == (set(ranked[:3]) if 0 in ranked[:3] else {*ranked[:2], 0})


@pytest.mark.parametrize("inner_folds", [1, 3])
def test_so_does_hyperband(tmp_path, inner_folds):
    workers = FakeWorkers(better_by_area_the_worse_by_score(tmp_path / "runs" / "run"))
    sweep_with(workers, settings(tmp_path, tuner="hyperband", trials=24, inner_folds=inner_folds))
    trained = [(d["values"]["learning_rate"], d["until"]) for d in workers.descriptions if "until" in d]
    ranked = sorted((rate for rate, epochs in trained if epochs == 2), reverse=inner_folds == 1)
    promoted = {rate for rate, epochs in trained if epochs > 2} & set(ranked)
    assert promoted == set(ranked[: len(promoted)]) != set()


@pytest.mark.parametrize("inner_folds", [1, 3])
def test_a_gaussian_process_is_told_of_one_rung_alone(tmp_path, inner_folds, monkeypatch):
    told: dict[int, float] = {}
    tell = Search.tell
    monkeypatch.setattr(Search, "tell", lambda self, *what: told.update([what]) or tell(self, *what))
    answer = better_by_area_the_worse_by_score(tmp_path / "runs" / "run")

    def longer_is_better(description):
        outcome = answer(description)
        if description["kind"] == "stage":
            outcome["result"]["score"] += description["until"]
        return outcome

    asked = settings(tmp_path, tuner="bayesian", trials=12, inner_folds=inner_folds)
    swept = sweep_with(FakeWorkers(longer_is_better), asked)
    first = {number: stages[0, 0] for number, stages in swept.state.stages["compact/0"].items()}
    assert {swept.state.trials("compact", 0)[number]["complete"] for number in told} == {True, False}
    assert told == {
        number: first[number]["metrics"]["auc"] if inner_folds > 1 else first[number]["score"]
        for number in told
    }


def test_few_validation_subjects_are_pooled_over_inner_folds_and_many_are_not():
    def made(n):
        y = np.arange(n) % 2
        subjects = np.array([f"s{i}" for i in range(n)])
        return Dataset("made", np.zeros((n, 2, 2, 1), np.float32), y, subjects, ("a", "b"), "0", "made")

    splits = {"seed": 0}
    few, many = made(60), made(600)
    assert count_inner_folds(many, splits) == 1
    n = count_inner_folds(few, splits)
    assert n == 3
    fold = divide(few, 1, splits)[0]
    parts = [inner_parts(few, fold, {**splits, "inner": n}, index) for index in range(n)]
    seen = np.sort(np.concatenate([fold.train, fold.validation]))
    np.testing.assert_array_equal(np.sort(np.concatenate([validation for _, validation in parts])), seen)
    for train, validation in parts:
        assert not set(train) & set(validation)
        assert not set(fold.test) & (set(train) | set(validation))


def test_standings_are_worked_out_from_scores_in_any_order(tmp_path):
    swept = sweep_with(FakeWorkers(), settings(tmp_path))
    standings = Halving(swept.settings, swept.state).standings("compact", 0, 8, False)
    outcomes = [standing.outcome for standing in standings.values()]
    assert 1 <= outcomes.count(COMPLETE) <= 2
    assert outcomes.count(STOPPED) == 8 - outcomes.count(COMPLETE)


def test_of_many_checkpoints_the_newest_stay_and_those_of_trainings_under_way(tmp_path, monkeypatch):
    monkeypatch.setattr(trial_results, "_WAITING_BYTES", 25)
    (tmp_path / "work").mkdir()
    for age in range(6):
        path = tmp_path / "work" / f"trial-compact-0-{age}.0.npz"
        path.write_bytes(bytes(10))
        os.utime(path, (1e9 - age, 1e9 - age))
    plan = SimpleNamespace(ended_trials=lambda: {"trial-compact-0-1"})
    trial_results.bound_checkpoints(tmp_path, plan, {"trial-compact-0-5.0.npz"}, newest=1)
    left = {path.name.split(".")[0][-1] for path in (tmp_path / "work").iterdir()}
    assert left == {"0", "2", "3", "5"}  # just stopped or under way, and twenty bytes of what waits


def test_a_search_that_the_budget_ended_keeps_what_the_next_call_goes_on_from(tmp_path):
    def answer(description):
        if description["kind"] == "stage" and description["until"] > 2:
            swept.plan.close({"compact"})
        return good(description)

    swept = sweep_with(FakeWorkers(answer), settings_for(tmp_path, task=Rungs(), trials=8), run=False)
    swept.run()
    swept.journal.close()
    assert len(swept.state.trials("compact", 0)) == 8
    assert swept.plan.ended_trials() == set()
