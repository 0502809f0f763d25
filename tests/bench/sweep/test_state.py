"""Replaying events: what is done, failed, lost, best."""

import pytest
from fake_workers import settings_for

from bench.commands.run_sweep import _plan_record
from bench.commands.status import recorded_settings
from bench.sweep.halving import Standing
from bench.sweep.state import State, parse_key
from bench.sweep.trial_results import trial_result


def done(piece: str, time: float = 1.0, **result) -> dict:
    return {"event": "done", "time": time, "piece": piece, "result": {"metrics": {}, **result}}


def trial(number: int, score: float, log_loss: float = 0.5, fold: int = 0) -> dict:
    return done(
        f"trial/compact/{fold}/{number}", score=score, metrics={"log_loss": log_loss}, values={"n": number}
    )


def failed(piece: str) -> dict:
    return {"event": "failed", "time": 2.0, "piece": piece, "reason": "out of memory"}


def test_an_empty_journal_is_an_empty_state():
    state = State.replay([])
    assert (state.sweep, state.done, state.failed, state.seconds) == ({}, {}, {}, 0.0)
    assert state.best_trial("compact", 0) is None


def test_settled_is_done_or_failed():
    state = State.replay([trial(0, 0.9), failed("trial/compact/0/1"), {"event": "started", "piece": "x"}])
    assert state.settled("trial/compact/0/0")
    assert state.settled("trial/compact/0/1")
    assert not state.settled("x")
    assert not state.settled("trial/compact/0/2")


def test_trials_come_by_number_and_fold_whatever_their_order():
    state = State.replay([trial(2, 0.7), trial(0, 0.9), failed("trial/compact/0/1"), trial(0, 0.1, fold=1)])
    assert list(state.trials("compact", 0)) == [0, 1, 2]
    assert state.trials("compact", 0)[1] is None
    assert list(state.trials("compact", 1)) == [0]
    assert state.trials("wide", 0) == {}


@pytest.mark.parametrize(("sign", "best"), [(1, 1), (-1, 0)])
def test_the_best_trial_follows_the_direction(sign, best):
    events = [trial(0, 0.2), trial(1, 0.9), failed("trial/compact/0/2"), trial(3, 0.5)]
    assert State.replay(events).best_trial("compact", 0, sign) == best


def test_of_equal_scores_the_lower_loss_then_the_first_is_best_in_any_order():
    events = [trial(0, 0.9, 0.4), trial(1, 0.9, 0.3), trial(2, 0.9, 0.3)]
    assert State.replay(events).best_trial("compact", 0) == 1
    assert State.replay(reversed(events)).best_trial("compact", 0) == 1


def test_a_search_of_failures_has_no_best():
    assert State.replay([failed("trial/compact/0/0")]).best_trial("compact", 0) is None


def test_a_piece_done_after_all_is_no_failure():
    state = State.replay([failed("reference/rbf_svm/0"), done("reference/rbf_svm/0")])
    assert state.failed == {}


def test_a_dropped_piece_is_to_be_done_again():
    state = State.replay([done("refit/compact/0/1/1"), {"event": "dropped", "piece": "refit/compact/0/1/1"}])
    assert not state.settled("refit/compact/0/1/1")
    assert state.files() == {}


def test_refits_come_by_seed():
    keys = ("refit/compact/0/1/10", "refit/compact/0/1/2", "refit/compact/0/10/1", "refit/compact/1/1/1")
    assert list(State.replay(map(done, keys)).refits("compact", 0, 1)) == [2, 10]


def test_the_tested_trial_is_the_best_until_a_better_one_has_no_refits_yet():
    events = [trial(0, 0.8), trial(1, 0.9), done("refit/compact/0/1/1")]

    def tested(events, trials=3):
        return State.replay(events).tested_trial("compact", 0, 1, trials)

    assert tested(events) == tested([*events, trial(2, 0.95)]) == 1
    more = [*events, trial(2, 0.95), done("refit/compact/0/2/1")]
    assert tested(more) == 2
    assert tested(more, 2) == 1
    assert tested(more, 1) is None  # the first has no refits yet


def test_losses_are_counted_and_values_kept():
    started = {"event": "started", "piece": "trial/compact/0/0", "values": {"learning_rate": 0.1}}
    lost = {"event": "lost", "piece": "trial/compact/0/0", "reason": "killed"}
    state = State.replay([started, lost, lost])
    assert state.lost == {"trial/compact/0/0": 2}
    assert state.values == {"trial/compact/0/0": {"learning_rate": 0.1}}


def test_an_exhausted_search_plans_no_more_than_there_is():
    state = State.replay([{"event": "exhausted", "search": "compact/0", "trials": 4}])
    assert state.planned_trials("compact", 0, 20) == 4
    assert state.planned_trials("compact", 0, 3) == 3
    assert state.planned_trials("compact", 1, 20) == 20


def test_time_is_counted_within_sessions_only():
    sweep = {"event": "sweep", "candidates": {}, "plan": {"candidates": [], "references": []}}
    events = [
        {**sweep, "time": 100.0},
        {**trial(0, 0.5), "time": 130.0},
        {**sweep, "time": 1000.0, "workers": 3},
        {**trial(1, 0.5), "time": 1007.0},
    ]
    assert State.replay(events).seconds == pytest.approx(37.0)
    assert State.replay(events).worker_seconds == pytest.approx(51.0)


def test_what_a_later_call_records_before_it_works_is_no_time_of_the_sweep_before():
    """The time between the calls was counted: four minutes of a sweep became thirty."""
    sweep = {"event": "sweep", "candidates": {}, "plan": {"candidates": [], "references": []}}
    first = [{**sweep, "time": 100.0}, {**trial(0, 0.5), "time": 130.0}]
    later = {"event": "dropped", "piece": "trial/compact/0/0", "reason": "", "time": 900.0}
    ended = {"event": "ended", "reason": "finished", "time": 131.0}
    again = [{**sweep, "time": 905.0}, {**trial(0, 0.5), "time": 910.0}]
    for between in ([ended, later], [later], [{**ended, "time": 800.0}]):
        assert State.replay([*first, *between, *again]).seconds == pytest.approx(35.0)
    stopped = {"event": "ended", "reason": "interrupted", "time": 190.0}  # its workers trained until then
    assert State.replay([*first, stopped, later]).seconds == pytest.approx(90.0)


def test_training_seconds_are_those_of_trials_with_their_stages_and_of_all_that_is_trained():
    seconds = {
        "space/compact": 64.0,
        "stage/compact/0/0/0/0": 32.0,
        "trial/compact/0/0": 32.0,
        "refit/compact/0/0/1": 16.0,
        "ablation/flip/compact/0/0/1": 8.0,
        "reference/rbf_svm/0": 4.0,
        "pretrain/compact-phantom": 2.0,
        "timing/compact/0": 1.0,
    }
    events = [done(key, seconds=value, values={}) for key, value in seconds.items()]
    assert State.replay(events).training_seconds() == 62.0


def test_plans_and_digests_add_up_over_sweeps():
    def sweep(name: str, trials: int) -> dict:
        plan = {"trials": trials, "candidates": [{"name": name}], "references": ["rbf_svm"]}
        return {"event": "sweep", "time": 1.0, "candidates": {name: f"digest-{name}"}, "plan": plan}

    state = State.replay([sweep("compact", 5), sweep("wide", 9)])
    assert state.candidates == {"compact": "digest-compact", "wide": "digest-wide"}
    assert {name: plan["trials"] for name, plan in state.plans.items()} == {
        "compact": 5,
        "wide": 9,
        "rbf_svm": 9,
    }


def test_files_belong_to_pieces():
    entry = {"path": "predictions/a.npz", "sha256": "1234", "bytes": 3}
    state = State.replay([done("reference/rbf_svm/0", files={"predictions": entry})])
    assert state.files() == {"predictions/a.npz": ("reference/rbf_svm/0", "1234")}


def test_events_of_other_kinds_are_left_alone():
    assert State.replay([{"event": "weather", "time": 3.0, "sun": True}, trial(0, 0.5)]).settled(
        "trial/compact/0/0"
    )


@pytest.mark.parametrize(
    ("key", "parts"),
    [
        ("space/compact", {"kind": "space", "candidate": "compact"}),
        (
            "trial/vgg16-imagenet/1/12",
            {"kind": "trial", "candidate": "vgg16-imagenet", "fold": 1, "trial": 12},
        ),
        ("refit/compact/0/3/2", {"kind": "refit", "candidate": "compact", "fold": 0, "trial": 3, "seed": 2}),
        ("reference/rbf_svm/4", {"kind": "reference", "candidate": "rbf_svm", "fold": 4}),
        (
            "ablation/no_crop/vgg16/2/7/3",
            {"kind": "ablation", "candidate": "vgg16", "fold": 2, "trial": 7, "seed": 3},
        ),
    ],
)
def test_keys_are_taken_apart(key, parts):
    assert parse_key(key) == parts


def test_status_plans_what_the_sweep_planned(tmp_path):
    settings = settings_for(tmp_path, ablations=False, folds=6, by_site=True, trials=7)
    sweep = {"plan": _plan_record(settings), "identity": {"task": "digits", "splits": settings.splits}}
    found = recorded_settings(State.replay([{"event": "sweep", "time": 1.0, "workers": 2, **sweep}]))
    for name in ("ablations", "by_site", "folds", "trials", "seeds", "candidates", "tuner", "preset_name"):
        assert getattr(found, name) == getattr(settings, name)


def test_status_plans_the_epochs_that_the_task_had_for_these_data(tmp_path):
    settings = settings_for(tmp_path)
    identity = {"task": "digits", "splits": {}, "preset": {"epochs": 3, "judged_at": [1]}}
    sweep = {"plan": _plan_record(settings), "identity": identity, "workers": 2}
    preset = recorded_settings(State.replay([{"event": "sweep", "time": 1.0, **sweep}])).preset
    assert (preset.epochs, list(preset.judged_at)) == (3, [1])


def test_a_stage_may_be_dropped_whose_record_is_damaged():
    dropped = {"event": "dropped", "time": 1.0, "piece": "stage/compact/0/0/0/0", "reason": "missing"}
    assert State.replay([dropped]).done == {}


def test_a_failed_trial_that_loses_another_of_its_trainings_fails_again(tmp_path):
    state = State.replay(
        [
            done("stage/compact/0/0/0/0", seconds=1.0),
            failed("stage/compact/0/0/0/1"),
            failed("trial/compact/0/0"),
            {"event": "dropped", "time": 3.0, "piece": "stage/compact/0/0/0/0", "reason": "missing"},
        ]
    )
    standing = Standing("failed", 0, ["stage/compact/0/0/0/1"])
    with pytest.raises(ArithmeticError, match="a training of it failed"):
        trial_result(tmp_path, state, standing, "accuracy")
