"""The answer: what its first sentences claim, and what they do not."""

import re
from pathlib import Path

import numpy as np
import pytest
from made_sweeps import Sweep

from bench.report import answer, markdown_report, results


def _built(tmp_path: Path, **settings) -> results.Content:
    return results.build(Sweep(**settings).write(tmp_path / "run"))


def _words(content: results.Content) -> list[str]:
    return answer.sentences(content.answer, content.assessments, content.metric, ())


def test_the_best_of_equals_is_not_given_its_luck(tmp_path):
    networks = {f"n{i}": 0.8 for i in range(8)}
    found = _built(tmp_path, networks=networks, references={}, n_test=40, seeds=3)
    first, measured = _words(found)[0], found.answer.best.test
    stated, said_measured = (float(text) for text in re.findall(r"(\d+\.\d)%", first))
    assert said_measured == pytest.approx(100 * measured.estimate, abs=0.06)
    assert stated < said_measured - 2
    assert f"{100 * found.answer.test.low:.1f}, {100 * measured.high:.1f}" in first
    assert found.answer.test.low < measured.low
    assert "as measured" in first


def test_what_validation_would_have_chosen_stands_beside_the_best(tmp_path):
    sweep = Sweep(networks={"lucky": 0.9, "modest": 0.8}, references={}, n_test=200, seeds=3)
    events = sweep.events(tmp_path / "run")
    for event in events:
        if "trial/modest" in event.get("piece", ""):
            event["result"]["score"] = 0.99
    found = results.build(sweep.write(tmp_path / "run", events))
    assert (found.answer.best.name, found.answer.by_validation.name) == ("lucky", "modest")
    test = found.answer.by_validation.test
    assert f"would have chosen **The modest one**: {100 * test.estimate:.1f}%" in " ".join(_words(found))
    assert "would have chosen it too" in " ".join(
        _words(_built(tmp_path / "other", networks={"a": 0.95, "b": 0.6}))
    )


def test_one_seed_of_each_claims_nothing(tmp_path):
    found = _built(tmp_path, networks={"a": 0.95, "b": 0.6, "c": 0.5}, references={}, seeds=1)
    words = " ".join(_words(found))
    assert "has the best result" in words
    assert "cannot be compared with two others" in words
    assert "worse" not in words
    verdicts = [markdown_report.verdict(found, a) for a in found.assessments[1:]]
    assert all(text.startswith("seeds unknown") for text in verdicts)
    assert found.answer.cheapest is found.answer.best


def test_of_exact_ties_the_table_begins_with_the_best(tmp_path):
    found = _built(tmp_path, networks={"net": 1.0}, references={"rbf_svm": 1.0}, n_test=40)
    found = results.build(tmp_path / "run")
    assert {a.test.estimate for a in found.assessments} == {1.0}
    assert found.assessments[0] is found.answer.best


def test_references_alone_have_no_cheapest_network(tmp_path):
    found = _built(tmp_path, networks={}, references={"rbf_svm": 0.9, "nearest": 0.9}, n_test=40)
    assert found.answer.cheapest is None
    page = markdown_report.markdown(found, {})
    assert "cheapest" not in page.split("## Rules")[0].replace("*Cheapest", "")
    assert "the data cannot tell from it" in page


def test_references_need_no_seeds(tmp_path):
    settings = {"networks": {}, "references": {"rbf_svm": 0.95, "nearest": 0.5}}
    assert "each is worse" in " ".join(_words(_built(tmp_path, **settings)))


def test_the_cheapest_is_a_network_since_references_are_timed_otherwise(tmp_path):
    times = {"slow": 9.0, "quick": 5.0, "rbf_svm": 0.1}
    settings = {"networks": {"slow": 0.9, "quick": 0.9}, "references": {"rbf_svm": 0.9}, "times": times}
    found = _built(tmp_path, **settings, n_test=60)
    assert found.answer.cheapest.name == "quick"
    assert "rbf_svm" not in {a.name for a in found.answer.front}
    words = " ".join(_words(found))
    assert "0.1" not in re.sub(r"\[.*?\]|\d+\.\d%", "", words)  # no reference's time


@pytest.mark.parametrize(("sizes", "warned"), [((4, 30), True), ((6, 30), False)])
def test_classes_of_few_test_subjects_raise_a_warning(tmp_path, monkeypatch, sizes, warned):
    y = np.repeat([0, 1], sizes)
    made = Sweep(n_test=sum(sizes), references={}, metric="balanced_accuracy")
    plain = Sweep.predictions

    def predictions(self, key, share, fold):
        _, probabilities, subjects, indices = plain(self, key, share, fold)
        return y, probabilities, subjects, indices

    monkeypatch.setattr(Sweep, "predictions", predictions)
    events = made.events(tmp_path / "run")
    page = markdown_report.markdown(results.build(made.write(tmp_path / "run", events)), {})
    assert ("Test subjects in a class: normal 4." in page) == warned
    assert ("FOLDS=5 tests every subject." in page) == warned
    events[0]["dataset"]["official_test"] = True  # which every fold tests
    page = markdown_report.markdown(results.build(made.write(tmp_path / "run", events)), {})
    assert ("Test subjects in a class: normal 4." in page) == warned
    assert "tests every subject" not in page


@pytest.mark.parametrize(
    ("metric", "share", "warned"), [("accuracy", 0.9, False), ("sensitivity", 0.9, True)]
)
def test_what_is_no_better_than_always_the_same_answer_is_said(tmp_path, metric, share, warned):
    """Nothing was said of a network that calls everyone ill, and so has a sensitivity of 100%."""
    networks = {"large": share, "small": 0.6}
    page = markdown_report.markdown(_built(tmp_path, networks=networks, metric=metric, n_test=100), {})
    text = "is not shown to be better than an answer that is the same for every image, the best of which has 100.0%"
    assert (text in page) == warned
    of_class = "Sensitivity is the share of the images of class tumour that are called so"
    assert (of_class in page) == (metric == "sensitivity")


def test_a_cheapest_that_has_seen_nothing_is_said_too(tmp_path):
    networks, times = {"large": 0.72, "small": 0.5}, {"large": 9.0, "small": 1.0}
    found = _built(tmp_path, networks=networks, times=times, references={}, n_test=40, seeds=3)
    assert (found.answer.best.name, found.answer.cheapest.name) == ("large", "small")
    page = markdown_report.markdown(found, {})
    assert "The small one is not shown to be better than an answer that is the same for every image" in page


def test_of_networks_validated_alike_the_first_of_the_task_is_taken(tmp_path):
    """The better of them on test was: a choice that had seen the test subjects."""
    sweep = Sweep(networks={"first": 0.8, "second": 0.9}, references={}, n_test=200, seeds=3)
    events = sweep.events(tmp_path / "run")
    for event in events:
        if event.get("piece", "").startswith("trial/"):
            event["result"]["score"] = 0.85
    found = results.build(sweep.write(tmp_path / "run", events))
    assert (found.answer.best.name, found.answer.by_validation.name) == ("second", "first")
    said = "would have chosen **The first one**, level there with **The second one**: "
    assert said in markdown_report.markdown(found, {})


def test_optimism_is_a_validation_that_is_better_whatever_better_means(tmp_path):
    sweep = Sweep(networks={"small": 0.8}, references={}, metric="log_loss")
    events = sweep.events(tmp_path / "run")
    for event in events:
        if event.get("piece", "").startswith("trial/"):
            event["result"]["score"] = 2.0
    row = results.build(sweep.write(tmp_path / "run", events)).rows.iloc[0]
    assert row.optimism == pytest.approx(row.test - 2.0)
    assert row.optimism < 0
