"""What a sweep says while it runs, where the output is no terminal."""

from dataclasses import replace

import pytest
from fake_workers import FakeWorkers, TinyDigits, good, settings_for, sweep_with

from bench.sweep import progress
from bench.sweep.progress import Display


@pytest.fixture
def said(monkeypatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(Display, "say", lambda self, text: lines.append(text))
    return lines


def test_each_work_item_that_has_ended_is_one_line(tmp_path, said):
    workers = FakeWorkers()
    done = sweep_with(workers, settings_for(tmp_path))
    assert len(said) == len(workers.keys)
    scores = [result["score"] for result in done.state.trials("compact", 0).values()]
    first, second = (line for line in said if "trial" in line)
    assert first.startswith(
        f"[2/4] compact: trial 1 of 2 to 3 epochs: accuracy {scores[0]:.4f} on validation, "
        f"best {scores[0]:.4f}, 1 s"
    )
    assert f"accuracy {scores[1]:.4f} on validation, best {max(scores):.4f}" in second
    assert second.endswith("; about 1 s left")
    assert said[-1].startswith("[4/4] compact: refit 1 of 1: 1 s")


@pytest.mark.parametrize(("inner_folds", "shown"), [(1, ""), (3, " and auc 0.7500")])
def test_what_an_early_rung_is_judged_by_is_said(tmp_path, said, inner_folds, shown):
    def answer(description: dict):
        outcome = good(description)
        if description["kind"] == "reference":
            outcome["result"]["score"] = 0.5
        outcome["result"].setdefault("metrics", {})["auc"] = 0.75
        return outcome if description.get("until") != 3 else {"failed": "Diverged"}

    class Rungs(TinyDigits):
        presets = {"smoke": replace(TinyDigits.presets["smoke"], judged_at=(1,))}

    sweep_with(FakeWorkers(answer), settings_for(tmp_path, task=Rungs(), inner_folds=inner_folds))
    early = [line for line in said if "to 1 epochs" in line]
    others = [line for line in said if "on validation" in line and line not in early]
    assert early
    assert all(f"{shown} on validation" in line for line in early)
    assert all(("auc" in line) == bool(shown) for line in early)
    assert others  # of the references, which have a score and no epochs
    assert not any("auc" in line for line in others)


def test_the_score_of_a_class_is_said_of_tests_too(tmp_path, said):
    class Sevens(TinyDigits):
        metric = "sensitivity[7]"

    def answer(description: dict) -> dict:
        outcome = good(description)
        outcome["result"].setdefault("metrics", {})["sensitivity:7"] = 0.625
        return outcome

    sweep_with(FakeWorkers(answer), settings_for(tmp_path, task=Sevens()))
    assert "compact: refit 1 of 1: sensitivity:7 0.6250 on test, 1 s" in said[-1]


def test_a_failed_item_says_why_and_counts(tmp_path, said):
    def answer(description: dict):
        return (
            {"failed": "Diverged"} if description["piece"] == "stage/compact/0/1/0/0" else good(description)
        )

    sweep_with(FakeWorkers(answer), settings_for(tmp_path))
    assert [line for line in said if "failed" in line] == [
        "[2/4] compact: trial 2 of 2 to 3 epochs failed: Diverged; about 2 s left"
    ]


def test_nothing_is_written_between_items(tmp_path, said, monkeypatch):
    """However long an item takes: lines come from what ends, not from the clock."""
    monkeypatch.setattr(progress.Display, "update", lambda *_: pytest.fail("no terminal, no bar"))
    workers = FakeWorkers(lambda d: None if d["kind"] == "stage" and len(workers.keys) < 4 else good(d))
    sweep_with(workers, settings_for(tmp_path, stall_seconds=1.2))
    assert len([line for line in said if "trial" in line]) == 2  # both were finished
