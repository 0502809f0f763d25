"""The parts of a report against hand counts and other implementations."""

import itertools
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from made_sweeps import Sweep
from matplotlib.transforms import Bbox
from scipy.special import softmax
from sklearn.metrics import confusion_matrix

from bench.evaluate.metrics import score
from bench.evaluate.predictions import Run
from bench.report import (
    ablation,
    answer,
    figure_search,
    figure_style,
    formatting,
    frames,
    json_report,
    markdown,
    markdown_report,
    packed_predictions,
    point_labels,
    results,
    run_results,
    sections_cost,
    sections_setup,
    statistics,
)
from bench.report.figure_predictions import confusion_shares, reliability
from bench.report.figure_search import _curves
from bench.report.run_results import Entry
from bench.report.sample_images import hardest


def _built(tmp_path: Path, **settings) -> results.Content:
    return results.build(Sweep(**settings).write(tmp_path / "run"))


def test_the_cheapest_of_equals_is_the_fastest_then_the_smallest(tmp_path):
    networks = dict.fromkeys(("slow", "fast", "near"), 0.9)
    settings = {"networks": networks, "references": {}, "seeds": 3, "n_test": 60}
    times = {"slow": 5.0, "fast": 1.0, "near": 1.05}
    found = _built(tmp_path / "a", **settings, times=times, parameters={"fast": 500, "near": 400})
    assert found.answer.cheapest.name == "near"
    found = _built(
        tmp_path / "b", **settings, times={**times, "near": 1.2}, parameters={"fast": 500, "near": 400}
    )
    assert found.answer.cheapest.name == "fast"


def test_what_is_worse_is_no_cheapest(tmp_path):
    found = _built(
        tmp_path, networks={"bad": 0.5, "good": 0.95}, references={}, times={"bad": 0.1, "good": 9.0}
    )
    assert found.answer.best.name == found.answer.cheapest.name == "good"
    assert [a.name for a in found.answer.front] == ["bad", "good"]
    words = answer.sentences(found.answer, found.assessments, "accuracy", ())
    assert "each is worse" in words[2]
    step = answer.front_lines(found.answer, "accuracy")
    assert len(step) == 1
    assert "90 times the inference time" in step[0]


def test_the_front_is_what_nothing_faster_reaches(tmp_path):
    shares = {f"n{i}": share for i, share in enumerate((0.7, 0.65, 0.8, 0.75, 0.9))}
    times = {name: 1.0 + i for i, name in enumerate(shares)}
    found = _built(tmp_path, networks=shares, references={}, times=times, n_test=400)
    by_hand = [
        a.name
        for a in sorted(found.tested, key=lambda a: a.inference_ms)
        if all(b.test.estimate < a.test.estimate for b in found.tested if b.inference_ms < a.inference_ms)
    ]
    assert [a.name for a in found.answer.front] == by_hand


def test_a_reference_that_wins_is_called_one(tmp_path):
    found = _built(tmp_path, networks={"weak": 0.5}, references={"rbf_svm": 0.95}, n_test=200)
    words = " ".join(answer.sentences(found.answer, found.assessments, "accuracy", ()))
    assert "classical reference, which no network beats" in words
    assert "No network reaches it." in words


def test_the_direction_of_the_metric_is_respected(tmp_path):
    found = _built(tmp_path, metric="log_loss", networks={"a": 0.5, "b": 0.95}, references={})
    assert found.answer.best.name == "b"
    assert found.assessments[0].name == "b"


def test_the_same_answer_for_all_by_hand(tmp_path):
    y = np.array([0] * 6 + [1] * 2)
    certain = np.eye(2)[y]
    parts = (np.arange(0, 8, 2), np.arange(1, 8, 2))
    halves = [Run(y[part], certain[part], part, fold, 1) for fold, part in enumerate(parts)]
    found = statistics.uninformed(halves)
    assert found["accuracy"] == 0.75
    assert (found["balanced_accuracy"], found["auc"]) == (0.5, 0.5)
    assert found["brier"] == pytest.approx(0.75 * 0.25**2 + 0.25 * 0.75**2)


@pytest.mark.parametrize(("share", "warned"), [(0.9, True), (0.5, False)])
def test_a_reference_that_should_find_nothing_raises_a_warning(tmp_path, share, warned):
    found = _built(tmp_path, references={"scanner_features": share})
    text = markdown_report.markdown(found, {})
    assert ("a network may have learned the scanner" in text) == warned
    assert "*Always the same answer*" in text


def _ablated(
    tmp_path: Path, effect: str, share: float, seeds: int = 3, trainings: int = 3
) -> list[ablation.Ablation]:
    sweep = Sweep(networks={"best": 0.85}, references={}, n_test=300, seeds=seeds)
    folder = tmp_path / "run"
    events = sweep.events(folder)
    trial = sweep.best("best", 0)
    for seed in range(1, trainings + 1):
        key = f"ablation/no_crop/best/0/{trial}/{seed}"
        result = sweep.refit(folder, key, share, 0, seed)
        events.append(
            sweep.done(key, {**result, "learning": "cropping helps", "title": "no crop", "effect": effect})
        )
    events.append({"event": "failed", "piece": f"ablation/other/best/0/{trial}/1", "reason": "out of memory"})
    events.append({"event": "failed", "piece": "pretrain/best/attention", "reason": "out of disk"})
    return ablation.find(run_results.read(sweep.write(folder, events)))


@pytest.mark.parametrize(
    ("effect", "share", "sign", "verdict"),
    [
        ("without", 0.6, 1, "supported"),
        ("without", 0.99, -1, "refuted: it harms"),
        ("with", 0.99, 1, "supported"),
        ("without", 0.85, 0, "these data cannot tell"),
    ],
)
def test_an_ablation_is_the_contribution_of_having_the_thing(tmp_path, effect, share, sign, verdict):
    found, failed, not_pretrained = _ablated(tmp_path, effect, share)
    assert found.verdict("accuracy") == verdict
    assert found.contribution.paired
    if sign:
        assert np.sign(found.contribution.estimate) == sign
    assert failed.verdict("accuracy") == "failed: out of memory"
    assert not_pretrained.verdict("accuracy") == "failed: out of disk"
    text = "\n".join(ablation.blocks([found, failed], {"best": "Best"}, "accuracy", "accuracy"))
    assert re.search(r"\| cropping helps +\| Best, no crop +\|", text)


def test_one_training_is_judged_by_all_seeds_of_the_winner(tmp_path):
    found, *_ = _ablated(tmp_path / "five", "without", 0.6, seeds=5, trainings=1)
    assert (len(found.base), len(found.switched)) == (5, 1)
    assert found.verdict("accuracy") == "supported"
    # With one training of each there is no telling how far seeds scatter, and so nothing is claimed.
    found, *_ = _ablated(tmp_path / "one", "without", 0.6, seeds=1, trainings=1)
    assert found.p_holm == 1
    assert found.verdict("accuracy") == "seeds unknown (between these trainings)"


def _run(n_classes: int, n: int = 50, seed: int = 1) -> Run:
    random = np.random.default_rng([n_classes, seed])
    y = np.random.default_rng(n_classes).integers(n_classes, size=n)
    return Run(y, random.dirichlet(np.ones(n_classes), n), np.array([f"p{i}" for i in range(n)]), 0, seed)


@pytest.mark.parametrize(
    ("metric", "tolerance"), [("accuracy", 0), ("macro_f1", 0), ("auc", 1e-9), ("log_loss", 1e-6)]
)
@pytest.mark.parametrize("n_classes", [2, 10])
def test_packed_predictions_give_the_same_metric(metric, tolerance, n_classes):
    runs = [_run(n_classes, seed=seed) for seed in (1, 2)]
    packed = packed_predictions.pack({"a": runs}, metric)
    assert len(packed["samples"]) == 1  # both seeds have the same samples
    for before, after in zip(runs, packed_predictions.unpack(packed, n_classes)["a"], strict=True):
        assert np.array_equal(before.y, after.y)
        expected = score(metric, before.y, before.probabilities)
        assert score(metric, after.y, after.probabilities) == pytest.approx(expected, abs=tolerance)
    assert ("classes" in packed["runs"]["a"][0]) == (tolerance == 0)


@pytest.mark.parametrize("n_classes", [2, 10])
def test_packed_predictions_keep_what_a_sure_network_says(n_classes):
    run = _run(n_classes)
    probabilities = softmax(30 * np.log(run.probabilities), axis=1).astype(np.float32)
    packed = packed_predictions.pack({"a": [replace(run, probabilities=probabilities)]}, "auc")
    np.testing.assert_array_equal(
        packed_predictions.unpack(packed, n_classes)["a"][0].probabilities, probabilities
    )


@pytest.mark.parametrize("n_classes", [2, 10])
def test_packed_predictions_of_before_are_read(n_classes):
    run = _run(n_classes)
    packed = packed_predictions.pack({"a": [run]}, "auc")
    (each,) = packed["runs"]["a"]
    del each["float32"]
    columns = run.probabilities[:, 1:] if n_classes == 2 else run.probabilities
    each["probabilities"] = packed_predictions._encode(np.rint(columns * 65535).astype("<u2"))
    (found,) = packed_predictions.unpack(packed, n_classes)["a"]
    np.testing.assert_allclose(found.probabilities, run.probabilities, atol=1e-5)


def test_ablations_of_an_earlier_winner_are_left_out(tmp_path):
    sweep = Sweep(networks={"best": 0.85}, references={}, n_test=300)
    events, now = sweep.events(tmp_path), sweep.best("best", 0)
    for trial, share in ((now, 0.85), ((now + 1) % sweep.trials, 0.3)):
        key = f"ablation/no_crop/best/0/{trial}/1"
        events.append(sweep.done(key, sweep.refit(tmp_path, key, share, 0, 1)))
    (found,) = ablation.find(run_results.read(sweep.write(tmp_path, events)))
    assert len(found.switched) == 1
    assert abs(found.contribution.estimate) < 0.1


def test_ablations_follow_the_plan(tmp_path):
    """Of a network that is no more the best there are none, and none of seeds that are not asked for."""
    sweep = Sweep(networks={"best": 0.85, "better": 0.9}, references={}, seeds=3)
    events = sweep.events(tmp_path)
    for name in sweep.networks:
        for seed in range(1, 4):
            key = f"ablation/no_crop/{name}/0/{sweep.best(name, 0)}/{seed}"
            events.append(sweep.done(key, sweep.refit(tmp_path, key, 0.6, 0, seed)))

    def found(names: list[str], seeds: int) -> list[tuple]:
        latest = sweep.sweep(names)
        latest["plan"]["seeds"] = seeds
        read = ablation.find(run_results.read(sweep.write(tmp_path, [*events, latest])))
        return [(each.candidate, len(each.base), len(each.switched)) for each in read]

    assert found(["best", "better"], 3) == [("better", 3, 3)]
    assert found(["best"], 3) == [("best", 3, 3)]
    assert found(["best"], 2) == [("best", 2, 2)]


def test_seeds_and_failures_outside_the_plan_do_not_count(tmp_path):
    """Where the first of three refits was lost and two are asked for, the third is none of them."""
    sweep = Sweep(networks={"best": 0.85}, references={}, seeds=3, folds=2)
    best = sweep.best("best", 0)
    events = [each for each in sweep.events(tmp_path) if each.get("piece") != f"refit/best/0/{best}/1"]
    for piece in (f"refit/best/0/{best}/3", "trial/best/0/2", "refit/best/1/0/1"):
        events.append({"event": "failed", "piece": piece, "reason": f"{piece} failed"})
    latest = sweep.sweep()
    latest["plan"].update(seeds=2, folds=1, trials=2)
    content = results.build(sweep.write(tmp_path, [*events, latest]))
    (entry,) = (a.entry for a in content.assessments)
    assert [run.seed for run in entry.runs] == [2] * (best < 2)
    assert not entry.failures
    assert not content.finished


def test_class_names_are_cut_so_that_they_differ():
    names = ["adenocarcinoma, well differentiated", "adenocarcinoma, poorly differentiated", "squamous"]
    assert figure_style.shortened_all(["normal", "squamous cell"], 9) == ["normal", "squamous…"]
    assert figure_style.shortened_all([names[0].replace("well", "w"), names[2]], 14) == [
        "adenocarcinom…",
        "squamous",
    ]
    many = figure_style.shortened_all([f"class {n} of many names" * 3 for n in range(12)] + ["class  1"], 14)
    assert max(map(len, many)) <= 14
    alike = figure_style.shortened_all(names, 14)
    assert len(set(alike)) == 3
    assert alike[:2] == ["1 adenocarcin…", "2 adenocarcin…"]
    assert figure_style.shortened_all(["stage of grade one", "stage of grade two"], 12) == [
        "stage…de one",
        "stage…de two",
    ]


def test_a_sensitivity_is_titled_by_the_name_of_its_class(tmp_path):
    sweep = Sweep(metric="sensitivity[1]", classes=("2", "1|a"))
    content = results.build(sweep.write(tmp_path))
    page = markdown_report.markdown(content, {})
    assert "Test sensitivity of 1\\|a [95% interval]" in page
    assert "primary metric sensitivity of 1\\|a" in page
    assert "of class 1 " not in page


def test_the_order_of_classes_is_said(tmp_path):
    page = markdown_report.markdown(_built(tmp_path, classes=("none", "mild", "severe")), {})
    assert "takes the classes in the order none, mild, severe." in page


def test_confusion_against_scikit_learn():
    runs = [_run(4, seed=1), _run(4, seed=2)]
    y = np.concatenate([run.y for run in runs])
    told = np.concatenate([run.probabilities.argmax(axis=1) for run in runs])
    assert confusion_shares(runs) == pytest.approx(confusion_matrix(y, told, normalize="true"))


def test_reliability_by_hand():
    probabilities = np.array([[0.95, 0.05], [0.91, 0.09], [0.35, 0.65], [0.39, 0.61]])
    run = Run(np.array([0, 1, 1, 0]), probabilities, np.array(list("abcd")), 0, 1)
    confidence, right, share = reliability([run])
    assert confidence == pytest.approx([0.63, 0.93])
    assert right == pytest.approx([0.5, 0.5])
    assert share == pytest.approx([0.5, 0.5])


def test_hardest_images_are_those_of_the_lowest_mean_probability():
    def refit(seed, probabilities):
        run = Run(np.array([0, 1, 0]), np.array(probabilities), np.array(list("abc")), 0, seed)
        return {"stage": "refit", "run": run, "indices": np.array([7, 8, 9])}

    rows = [
        refit(1, [[0.9, 0.1], [0.8, 0.2], [0.6, 0.4]]),
        refit(2, [[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]]),
    ]
    entry = Entry("a", "A", "network", {}, True, frames.frame(rows, frames.TRAININGS))
    found = hardest([entry], 2)
    assert found[["sample", "truth", "told"]].values.tolist() == [[8, 1, 0], [9, 0, 1]]
    assert found.probability.tolist() == pytest.approx([0.4, 0.4])


@pytest.mark.parametrize("order", itertools.permutations(range(3)))
def test_a_label_stays_nearest_to_its_own_point(order):
    """Three networks nearly as fast as each other, named in another order than theirs from top to bottom."""
    _, (axes,) = figure_style.panels(1, 8, 4, figure_style.Margins())
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    points = np.array([[0.5, 0.54], [0.5, 0.5], [0.51, 0.46]])[list(order)]
    texts = [
        axes.text(x, y, f"Architecture {i}", ha="center", va="center") for i, (x, y) in enumerate(points)
    ]
    anchors = axes.transData.transform(points)
    marks = [Bbox.from_extents(*(anchor - 8), *(anchor + 8)) for anchor in anchors]
    point_labels.place(axes, texts, points, marks)
    for i, text in enumerate(texts):
        box = text.get_window_extent()
        near = np.clip(anchors, [box.x0, box.y0], [box.x1, box.y1])
        assert np.hypot(*(near - anchors).T).argmin() == i


def test_labels_cover_neither_each_other_nor_the_points():
    _, (axes,) = figure_style.panels(1, 8, 4, figure_style.Margins())
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    points = np.array([[0.5, 0.5], [0.51, 0.5], [0.5, 0.53], [0.52, 0.52], [0.97, 0.98]])
    texts = [
        axes.text(x, y, f"Architecture {i}", ha="center", va="center") for i, (x, y) in enumerate(points)
    ]
    marks = [
        Bbox.from_extents(*(axes.transData.transform(p) - 8), *(axes.transData.transform(p) + 8))
        for p in points
    ]
    point_labels.place(axes, texts, points, marks)
    boxes = [text.get_window_extent() for text in texts]
    frame = axes.get_window_extent()
    for i, box in enumerate(boxes):
        assert not box.count_overlaps([*boxes[:i], *boxes[i + 1 :], *marks])
        assert box.x1 <= frame.x1 + 1
        assert box.y1 <= frame.y1 + 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a|b", "a\\|b"),
        ("<b>", "&lt;b&gt;"),
        ("x_y *z*", "x\\_y \\*z\\*"),
        ("one\n\ntwo", "one two"),
        ("[link](x)", "\\[link\\](x)"),
        ("`c` $5 #1 ~x~", "\\`c\\` \\$5 \\#1 \\~x\\~"),
    ],
)
def test_escape(text, shown):
    assert markdown.escape(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [("x", "`x`"), ("a`b", "``a`b``"), ("`a`", "`` `a` ``"), ("a|b", "`a\\|b`"), ("", "` `")],
)
def test_code_spans(text, shown):
    assert markdown.code(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("`make data TASK=x_y` fetches *it*", "`make data TASK=x_y` fetches \\*it\\*"),
        ("in `/home/me/x.npz` | y", "in `x.npz` \\| y"),
        ("`a|b`\n`<b>`", "`a\\|b` `<b>`"),
        ("one ` alone", "one \\` alone"),
    ],
)
def test_code_in_notes_is_code(text, shown):
    assert markdown.prose(text) == shown


def test_cells_are_as_given_and_numbers_to_the_right():
    frame = pd.DataFrame({"Name": ["1e5", "b"], "Count": ["1,234", "007"], "Note": ["`x`", "–"]})
    rule, *rows = markdown.table(frame, texts=["Note"]).splitlines()[1:]
    assert [(cell[0], cell[-1]) for cell in rule.strip("|").split("|")] == [
        (":", "-"),
        ("-", ":"),
        (":", "-"),
    ]
    assert [[cell.strip() for cell in row.strip("|").split("|")] for row in rows] == frame.values.tolist()


def test_a_row_for_each_training_and_search(tmp_path):
    found = _built(tmp_path, folds=2, trials=3, seeds=2)
    counts = found.trainings.groupby(["architecture", "stage"]).size()
    assert counts["large", "trial"] == 6
    assert counts["large", "refit"] == 4
    chosen = found.trainings.query("stage == 'trial' and chosen").set_index(["architecture", "fold"])
    searches = found.searches.set_index(["architecture", "fold"])
    assert searches.validation.sort_index().equals(chosen.score.rename("validation").sort_index())
    assert (searches.loc["large"].trials_done == 3).all()
    row = found.rows.set_index("architecture").loc["large"]
    assert row.validation == pytest.approx(searches.loc["large"].validation.mean())


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("open /home/me/data/a.nii failed", "open a.nii failed"),
        ("see https://example.org/a/b", "see https://example.org/a/b"),
        ("data/set/x.png or and/or", "data/set/x.png or and/or"),
        ("'C:\\Users\\me\\x.png'", "'x.png'"),
        ("{/home/me/x} and “/home/me/y”", "{x} and “y”"),
        ("of class ER+/PR+/HER2- and T2*/FLAIR/DWI", "of class ER+/PR+/HER2- and T2*/FLAIR/DWI"),
    ],
)
def test_absolute_paths_are_cut(text, shown):
    assert markdown.without_paths(text) == shown


def test_numbers_as_readers_see_them():
    assert formatting.with_limits("accuracy", 0.9554, 0.946, 0.9631) == "95.5% [94.6, 96.3]"
    assert formatting.with_limits("auc", 0.9, None, None) == "0.900"
    assert formatting.difference_limits("accuracy", -0.012, -0.02, 0.001) == "−1.2 points [−2.0, +0.1]"
    assert formatting.difference("log_loss", 0.05) == "+0.050"
    assert [formatting.number(x) for x in (0.1814, 12.34, 4563.2, 0, None)] == [
        "0.181",
        "12.3",
        "4,563",
        "0",
        "–",
    ]
    assert [formatting.count(x) for x in (999, 17900, 6_038_144, 1.21e9)] == [
        "999",
        "17.9 k",
        "6.04 M",
        "1.21 G",
    ]
    assert [formatting.duration(x) for x in (0.5, 45, 200, 7500)] == [
        "0.500 s",
        "45 s",
        "3 min 20 s",
        "2 h 5 min",
    ]
    assert formatting.size(1536) == "1.50 KiB"
    found = [formatting.p_value(p) for p in (0.0301, 0.0496, 0.0501, 0.4)]
    assert found == ["p = 0.03", "p = 0.0496", "p = 0.0501", "p = 0.40"]
    assert [formatting.number(x) for x in (9.994, 9.996, 99.96)] == ["9.99", "10.0", "100"]
    assert [formatting.count(x) for x in (999_499, 999_500, 9_999_999)] == ["999 k", "1.00 M", "10.0 M"]
    assert [formatting.size(x) for x in (2**20 - 1024, 2**20 - 1)] == ["1,023 KiB", "1.00 MiB"]
    assert formatting.duration(9.997) == "10 s"
    assert formatting.value("accuracy", float("nan")) == "–"


def test_a_trial_that_ended_early_is_not_the_best_so_far():
    rows = [(0, 5, 0.9), (1, 20, 0.6), (2, 5, 0.8), (3, 20, 0.7)]
    found = [
        {"stage": "trial", "fold": 0, "trial": trial, "chosen": trial == 3, "epochs": epochs, "score": score}
        | {"seconds": float(epochs)}
        for trial, epochs, score in rows
    ]
    trials = frames.frame(found, frames.TRAININGS)
    (numbers, by_trial), (moments, by_second) = _curves(SimpleNamespace(trials=trials), 1, 100)
    assert list(numbers) == [1, 2, 3, 4]
    np.testing.assert_allclose(by_trial, [np.nan, 60, 60, 70])
    assert list(moments) == [5, 25, 30, 50]
    np.testing.assert_allclose(by_second, by_trial)


@pytest.mark.parametrize(
    ("fixed", "shown"), [({"shift": 0.0}, "none"), ({"shift": 0.1}, "shift"), ({}, "shift")]
)
def test_an_augmentation_that_the_preset_leaves_out_is_not_named(tmp_path, fixed, shown):
    content = _built(tmp_path)
    content.source.sweep["identity"]["preset"]["fixed"] = fixed
    assert re.search(rf"\| Augmentation +\| {shown} +\|", sections_setup.blocks(content)[1])


def test_the_share_of_the_workers_time_that_was_training_is_said(tmp_path):
    content = _built(tmp_path, networks={"mlp": 0.9})
    done, wall = content.source.state.done, content.source.state.seconds
    trained = sum(
        result.get("seconds", 0.0)
        for key, result in done.items()
        if key.split("/")[0] in ("trial", "refit", "reference")
    )
    assert 0 < trained < 2 * wall
    (share,) = re.findall(r"(\d+)% went into trainings", "\n".join(sections_cost.blocks(content)))
    assert int(share) == round(100 * trained / (2 * wall))


def test_the_names_of_many_searches_stand_inside_the_figure(tmp_path):
    """And no two of ten networks look alike."""
    networks = {f"a network with a long name {i}": 0.5 + 0.04 * i for i in range(10)}
    found = _built(tmp_path, networks=networks, references={})
    look = figure_style.Look(found.assessments)
    assert len({(look.colour(name), look.marker(name)) for name in networks}) == 10
    with figure_style.settings():
        figure = figure_search.search(found, look)
        figure.canvas.draw()
        legend = figure.legends[0].get_window_extent()
    assert legend.x0 >= 0
    assert legend.x1 <= figure.bbox.width


def test_a_report_names_no_path_of_the_machine_that_it_was_made_on(tmp_path):
    sweep = Sweep()
    events = sweep.events(tmp_path / "run")
    events[0]["plan"]["task"] = "/home/me/own/toy.py"
    events[0]["plan"]["candidates"][0]["architecture"] = "/home/me/nets/small.py"
    text = json_report.dumps(json_report.document(results.build(sweep.write(tmp_path / "run", events))))
    assert "/home/me" not in text
    assert "small.py" in text


def test_parts_are_counted_in_subjects_too_and_the_best_is_shown_in_each_fold(tmp_path):
    sweep = Sweep(folds=2, metric="accuracy")
    events = sweep.events(tmp_path / "run")
    events[0]["identity"]["splits"] = {"seed": 0, "inner": 3}
    content = results.build(sweep.write(tmp_path / "run", events, cache=True))
    page = markdown_report.markdown(content, {})
    head, _, first, second = re.search(r"\| Fold +\| +Train .*\n.*\n.*\n.*", page)[0].splitlines()
    assert re.sub(" +", " ", head) == "| Fold | Train | Validation | Test | The large one, test accuracy |"
    shares = [float(row.split("|")[5].strip(" %")) for row in (first, second)]
    assert np.mean(shares) == pytest.approx(100 * content.answer.best.test.estimate, abs=0.06)
    assert "is scored on 3 inner folds of what is not tested" in page
    owners = np.array(["a", "a", "b"])
    assert sections_setup._counted(owners) == "3 of 2 subjects"
    assert sections_setup._counted(owners[1:]) == "2"


@pytest.mark.parametrize("differ", [True, False])
def test_a_result_outside_those_of_the_folds_is_explained(tmp_path, differ):
    """Two sites, one with nine healthy of ten, one with nine ill, each at 50% by calling nearly all alike."""

    class Sites(Sweep):
        def predictions(self, key, share, fold):
            most = fold if differ else 0
            y = np.repeat([most, 1 - most], [90, 10])
            said = np.repeat([most, 1 - most, most, 1 - most], [81, 9, 9, 1])
            subjects = np.array([f"{fold}-{i}" for i in range(100)])
            return y, np.eye(2, dtype=np.float32)[said], subjects, np.arange(100) % 20

    sweep = Sites(folds=2, metric="balanced_accuracy", classes=("healthy", "ill"))
    events = sweep.events(tmp_path / "run")
    events[0]["identity"]["splits"] = {"seed": 0}
    content = results.build(sweep.write(tmp_path / "run", events, cache=True))
    assert content.answer.best.test.estimate == pytest.approx(0.82 if differ else 0.5)
    shown, note = sections_setup._parts(content)
    assert shown.count("50.0%") == 2
    assert ("lies outside those of the single ones" in note) == differ


def test_a_machine_whose_calls_scattered_is_called_unsteady(tmp_path):
    """The matrix product alone was looked at: beside 0.5 (4.6) ms a report said 1.09 times."""
    steady = markdown_report.markdown(_built(tmp_path), {})
    assert "one in twenty took 1.50 times as long as its median one, or longer." in steady
    sweep = Sweep()
    events = sweep.events(tmp_path / "other")
    for event in events:
        for cost in event.get("result", {}).get("costs", {}).values():
            cost["runtimes"]["keras"]["threads"]["1"]["inference_p95_ms"] *= 3
    page = markdown_report.markdown(results.build(sweep.write(tmp_path / "other", events)), {})
    assert (
        "one in twenty took 4.50 times as long as its median one, or longer: the machine was not steady."
        in page
    )
