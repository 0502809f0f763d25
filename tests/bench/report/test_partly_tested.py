"""Rows that were tested on fewer subjects than others, or cannot be: what is claimed of them, and what is not."""

import re
from pathlib import Path

import numpy as np
import pytest
from made_sweeps import Sweep

from bench.commands.compare import compare
from bench.report import (
    answer,
    figure_search,
    figure_style,
    json_report,
    markdown_report,
    overview,
    results,
)


class EasyFirstFold(Sweep):
    """In the first fold all have a share larger by 0.3, nearly the same subjects right in every training."""

    def predictions(self, key, share, fold):
        y, _, subjects, indices = super().predictions(key, share, fold)
        share -= 0.3 * (fold > 0)
        right = np.random.default_rng(fold).permutation(len(y)) < round(share * len(y))
        right[np.random.default_rng(list(key.encode())).choice(len(y), 2, replace=False)] ^= True
        probabilities = 0.1 + 0.8 * np.eye(2)[np.where(right, y, 1 - y)]
        return y, probabilities.astype(np.float32), subjects, indices


def _built(folder: Path, sweep: Sweep, changed) -> results.Content:
    """What is made of a sweep whose events `changed` gives back as they are, others in their place, or as None."""
    events = [each for event in sweep.events(folder) if (each := changed(event, event.get("piece", "")))]
    return results.build(sweep.write(folder, events))


def _without_later_folds(event: dict, piece: str) -> dict | None:
    if piece.startswith(("trial/part/1", "trial/part/2")):
        return {"event": "failed", "piece": piece, "reason": "diverged"}
    return None if piece.startswith(("refit/part/1", "refit/part/2")) else event


@pytest.mark.parametrize(("share", "verdict"), [(0.85, "worse by 11."), (0.999, "better by ")])
def test_one_that_has_the_easy_fold_alone_is_not_the_best(tmp_path, share, verdict):
    networks = {"whole": 0.97 if share < 0.9 else 0.9, "part": share}
    sweep = EasyFirstFold(networks=networks, references={}, folds=3, seeds=3, n_test=150)
    found = _built(tmp_path / "run", sweep, _without_later_folds)
    best, other = sorted(found.assessments, key=lambda a: a is not found.answer.best)
    assert best.name == "whole"
    assert best.test.estimate < other.test.estimate
    text = markdown_report.verdict(found, other)
    assert verdict in text
    assert "over the 150 subjects of both" in text
    words = " ".join(answer.sentences(found.answer, found.assessments, found.metric, ()))
    assert "out of" not in words  # there was nothing to choose from
    assert ("each is worse" in words) == text.startswith("worse")
    assert ("Over the 150 of them that **The part one** was tested on" in words) == text.startswith("better")
    assert [a.name for a in found.answer.front] == ["whole"]


def test_a_fold_whose_trials_all_failed_is_not_waited_for(tmp_path):
    sweep = EasyFirstFold(networks={"part": 0.9}, references={}, folds=3)
    found = _built(tmp_path / "run", sweep, _without_later_folds)
    assert found.finished
    assert found.rows.progress.tolist() == ["all trials failed in 2 of 3 folds"]


def test_compare_shows_what_the_common_subjects_give(tmp_path):
    a = EasyFirstFold(networks={"one": 0.95}, references={}, folds=3, seeds=3).write(tmp_path / "a")
    b = EasyFirstFold(networks={"one": 0.85}, references={}, seeds=3).write(tmp_path / "b")
    line = next(line for line in compare(a, b)[0].splitlines() if "The one one" in line)
    before, after = map(float, re.findall(r"([\d.]+)%", line))
    assert 91 < before < 97
    assert 83 < after < 87


def test_a_metric_that_is_not_defined_is_said_to_be(tmp_path):
    class OneClassEach(Sweep):
        def predictions(self, key, share, fold):
            y, *others = super().predictions(key, share, fold)
            return np.full_like(y, fold), *others

    found = results.build(OneClassEach(metric="auc", folds=2).write(tmp_path / "run"))
    assert "AUC, which is not defined" in answer.sentences(found.answer, found.assessments, "auc", ())[0]
    assert markdown_report.verdict(found, found.assessments[0]) == "AUC is not defined on these test subjects"


def test_no_network_is_said_to_lose_before_one_is_tested(tmp_path):
    sweep = Sweep(references={"rbf_svm": 0.9, "nearest": 0.8})
    found = _built(
        tmp_path / "run",
        sweep,
        lambda event, piece: None if piece.startswith(("refit", "latency")) else event,
    )
    words = " ".join(answer.sentences(found.answer, found.assessments, found.metric, ()))
    assert "it is a classical reference." in words
    assert "o network" not in words


def test_a_search_without_a_mean_over_folds_is_not_drawn_yet(tmp_path):
    def changed(event, piece):
        if piece.startswith("trial/small/0/"):  # Hyperband: the first are short ones
            epochs = 3 if piece.endswith("2") else 1
            return {**event, "result": {**event["result"], "epochs": epochs, "complete": epochs == 3}}
        return None if piece.startswith(("trial/small/1/1", "trial/small/1/2", "refit/small/1")) else event

    found = _built(tmp_path / "run", Sweep(networks={"small": 0.9}, references={}, folds=2), changed)
    assert figure_search.search(found, figure_style.Look(found.assessments)) is None


def test_a_class_of_few_samples_in_every_subject_is_not_of_few_subjects(tmp_path):
    class Slices(Sweep):
        def predictions(self, key, share, fold):
            y, probabilities, _, indices = super().predictions(key, share, fold)
            subjects = np.array([f"p{i // 5}" for i in range(len(y))])
            return (np.arange(len(y)) % 5 == 4).astype(int), probabilities, subjects, indices

    page = markdown_report.markdown(results.build(Slices(n_test=100).write(tmp_path / "run")), {})
    assert "Test subjects in a class" not in page


def test_a_class_that_is_not_tested_is_named_as_that(tmp_path):
    class Absent(Sweep):
        def predictions(self, key, share, fold):
            y, probabilities, subjects, indices = super().predictions(key, share, fold)
            return np.zeros_like(y), probabilities, subjects, indices

    page = markdown_report.markdown(results.build(Absent(n_test=100).write(tmp_path / "run")), {})
    assert "is among the test subjects: no number here says how well that is told." in page
    assert "Test subjects in a class" not in page


def test_a_reference_is_not_said_to_be_unbeaten_by_a_network_that_is_better_in_the_one_fold_it_has(tmp_path):
    sweep = EasyFirstFold(networks={"part": 0.999}, references={"rbf_svm": 0.9}, folds=3, seeds=3, n_test=150)
    found = _built(tmp_path / "run", sweep, _without_later_folds)
    words = " ".join(answer.sentences(found.answer, found.assessments, found.metric, ()))
    assert "it is a classical reference." in words
    assert "that one is better" in words
    (tmp_path / "toy.json").write_text(json_report.dumps(json_report.document(found)))
    row = next(line for line in overview.overview(tmp_path).splitlines() if "toy.md" in line)
    assert "The part one" not in row  # no runner-up: it has another number of subjects


def test_costs_are_those_of_the_measurement_in_which_all_took_turns(tmp_path):
    """A later one of one network alone stood beside an earlier one's others, "interleaved in rounds"."""
    sweep = Sweep()
    events = sweep.events(tmp_path / "run")
    (whole,) = (event for event in events if event.get("piece") == "latency/1")
    alone = {"large": {**whole["result"]["costs"]["large"], "inference_ms": 99.0}}
    events.append(sweep.done("latency/2", {"costs": alone}))
    rows = results.build(sweep.write(tmp_path / "run", events)).rows.set_index("architecture")
    assert rows.inference_ms["large"] == sweep.ms("large")
    events[0]["plan"]["candidates"] = [{"name": "large", "architecture": "large", "transfer": "scratch"}]
    rows = results.build(sweep.write(tmp_path / "other", events)).rows.set_index("architecture")
    assert rows.inference_ms["large"] == 99.0


def test_a_test_whose_predictions_are_gone_is_not_done(tmp_path):
    sweep = Sweep()
    folder = sweep.write(tmp_path / "run")
    lost = next(path for path in (folder / "predictions").iterdir() if "large" in path.name)
    lost.unlink()
    rows = results.build(folder).rows.set_index("architecture")
    assert (rows.status["large"], rows.seeds["large"], rows.status["small"]) == ("unfinished", 1, "done")
