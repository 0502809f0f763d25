"""What a sweep says it will take."""

import pytest
from fake_workers import FakeWorkers, Rungs, good, settings_for, sweep_with

from bench.sweep import estimate
from bench.tasks import Candidate


# What Hyperband's later brackets cost is taken from those that it had.
@pytest.mark.parametrize(("tuner", "tolerance"), [("random", 0.1), ("grid", 0.1), ("hyperband", 0.8)])
def test_full_trainings_are_foreseen_while_only_short_ones_were_seen(tmp_path, tuner, tolerance):
    """Most of the time goes into the few trials that go on, and into refits."""
    settings = settings_for(tmp_path, task=Rungs(), trials=20, seeds=5, tuner=tuner)
    sweep = sweep_with(FakeWorkers(), settings, run=False)
    spent, foreseen = 0.0, []

    def answer(description):
        nonlocal spent
        outcome = good(description)
        if description["kind"] in ("stage", "refit"):
            foreseen.append((spent, estimate.seconds_left(sweep.plan, 1)))
            epochs = {2: 2, 6: 4, 18: 12}[description["until"]] if "until" in description else 18
            outcome["result"]["seconds"] = epochs
            spent += epochs
            if "until" in description and len(foreseen) == 1:  # a graph is traced
                outcome["result"]["seconds"] += 9
                spent += 9
                outcome["result"]["history"] = [{"seconds": 10.0}, {"seconds": 1.0}]
        return outcome

    sweep.workers.answer = answer
    sweep.run()
    sweep.journal.close()
    assert foreseen.pop(0)[1] is None  # nothing was seen yet
    assert all(before + left == pytest.approx(spent, rel=tolerance) for before, left in foreseen)
    before, left = foreseen[-1]
    assert left == spent - before


def test_trials_that_go_on_are_trained_in_full_on_each_inner_fold(tmp_path):
    swept = sweep_with(FakeWorkers(), settings_for(tmp_path, task=Rungs(), trials=8), run=False)
    epochs = 8 * 2 + 3 * 4 + 2 * 12
    assert swept.plan.planned_epochs("compact", 0) == epochs
    inner = sweep_with(
        FakeWorkers(), settings_for(tmp_path / "inner", task=Rungs(), trials=8, inner_folds=3), run=False
    )
    assert inner.plan.planned_epochs("compact", 0) == epochs + 2 * 2 * 18


def test_candidates_without_weights_to_start_from_do_not_hide_the_time_left(tmp_path):
    """They are tried again at the end: until then the sweep does not know that they fail."""
    foreseen = []

    def answer(description):
        if description["piece"] == "space/wide":
            return {"failed": "no such file", "environment": True, "traceback": "..."}
        if description["kind"] in ("stage", "refit"):
            foreseen.append(estimate.seconds_left(sweep.plan, 1))
        return good(description)

    both = settings_for(tmp_path, candidates=(Candidate("compact"), Candidate("wide")))
    sweep = sweep_with(FakeWorkers(answer, slots=2), both, run=False)
    assert estimate.seconds_left(sweep.plan, 1) is None
    sweep.run()
    sweep.journal.close()
    assert foreseen[-1] == 1
    assert estimate.seconds_left(sweep.plan, 1) == 0


def test_a_training_that_was_interrupted_took_its_time_in_two_processes(tmp_path):
    """What the second had left is no measure of the others."""

    def answer(description):
        outcome = good(description)
        if description["kind"] in ("stage", "refit"):
            outcome["result"]["history"] = [{"seconds": 1.0} for _ in range(3)]
            outcome["result"]["seconds"] = 1.0  # of the last epoch
        if description["kind"] == "refit":
            left.append(estimate.seconds_left(sweep.plan, 1))
        return outcome

    left = []
    sweep = sweep_with(FakeWorkers(answer), settings_for(tmp_path, trials=1, seeds=2), run=False)
    sweep.run()
    sweep.journal.close()
    assert left == [6.0, 3.0]


def test_what_cannot_be_done_is_not_waited_for(tmp_path):
    def answer(description):
        if description["kind"] == "stage":
            return {"failed": "Diverged", "traceback": "..."}
        return good(description)

    sweep = sweep_with(FakeWorkers(answer), settings_for(tmp_path))
    assert sweep.plan.finished()
    done, total = estimate.counts(sweep.plan)
    assert done == total
