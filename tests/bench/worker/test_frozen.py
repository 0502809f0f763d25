"""A head on features of a backbone that never learns: computed once, the whole network kept."""

import dataclasses
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from filelock import FileLock

from bench.data.caches.cached_dataset import save_dataset
from bench.data.dataset import Dataset
from bench.tasks.digits import Digits
from tuning.space import defaults

CLASSES = 3
VALUES = {"width": 0.125, "blocks": 2, "normalisation": "batch"}


@pytest.fixture
def description(tmp_path):
    """A refit of a small VGG16 on noise whose mean is its class, from weights that a file holds."""
    from bench.worker import programs
    from tuning.program import Program

    n = 30
    y = np.arange(n) % CLASSES
    x = (
        np.random.default_rng(0).standard_normal((n, 16, 16, 1), dtype=np.float32)
        + 3 * y[:, None, None, None]
    )
    subjects = np.array([f"s{i}" for i in range(n)])
    dataset = Dataset(
        x=x, y=y, subjects=subjects, classes=("a", "b", "c"), name="n", fingerprint="f", provenance=""
    )
    save_dataset(dataset, tmp_path / "cache" / "n")
    program = Program(lambda: programs.build("vgg16", VALUES, (16, 16, 1), 2), (16, 16, 1))
    program.reset(7, {}, 1)
    np.savez(tmp_path / "start.npz", **{f"weight{i}": v for i, v in enumerate(program.backbone())})
    values = defaults(Digits.training_space) | VALUES | {"label_smoothing": 0.0, "learning_rate": 0.01}
    return {
        "piece": "refit/vgg16-phantom-frozen/0/0/1",
        "kind": "refit",
        "task": "digits",
        "candidate": "vgg16-phantom-frozen",
        "architecture": "vgg16",
        "transfer": "phantom-frozen",
        "structural": list(VALUES),
        "values": values,
        "augmentation": list(Digits.augmentation),
        "preprocessing": Digits.preprocessing,
        "fold": 0,
        "splits": {"seed": 0},
        "metric": "accuracy",
        "epochs": 60,
        "seed": 1,
        "model": True,
        "start": "start.npz",
        "weights": None,
        "dataset": str(tmp_path / "cache" / "n"),
        "folder": str(tmp_path),
        "work": str(tmp_path / "work" / "refit"),
        "checkpoint": str(tmp_path / "work" / "refit.npz"),
        "stop": str(tmp_path / "stop"),
    }


def test_the_head_is_trained_on_features_that_are_computed_once(tmp_path, description, monkeypatch):
    from bench.worker import arrays, execute, frozen

    outcome = execute.run(description)
    assert "result" in outcome, outcome
    result = outcome["result"]
    assert result["metrics"]["accuracy"] > 0.8
    network = keras.saving.load_model(tmp_path / result["files"]["model"]["path"], compile=False)
    assert sum(int(np.prod(weight.shape)) for weight in network.trainable_weights) == 3 * (128 * 0.125 + 1)
    assert result["input_shape"] == [16, 16, 1]
    with np.load(tmp_path / "start.npz") as start:
        kept = [weight for weight in network.weights if "head" not in weight.path.split("/")]
        for i, weight in enumerate(kept):
            np.testing.assert_array_equal(weight.numpy(), start[f"weight{i}"])
    with np.load(tmp_path / result["files"]["predictions"]["path"]) as file:
        logits = network(
            np.asarray(arrays.dataset(description["dataset"]).x)[file["indices"]], training=False
        )
        found = np.asarray(keras.ops.softmax(logits))
        np.testing.assert_allclose(file["probabilities"], found, atol=1e-5)

    frozen._features.cache_clear()  # as in another worker
    monkeypatch.setattr(frozen, "_extractor", lambda *_: lambda _: pytest.fail("computed again"))
    again = {**description, "piece": "refit/vgg16-phantom-frozen/0/0/2", "seed": 2, "model": False}
    more = execute.run({**again, "values": {**description["values"], "learning_rate": 0.02}})
    assert more["result"]["metrics"]["log_loss"] != result["metrics"]["log_loss"]


def test_views_are_the_sample_and_its_variations_and_the_same_each_time(description):
    from bench.worker import frozen

    views = np.array(frozen.features(description))
    assert views.shape[:2] == (30, 1 + frozen.VIEWS)
    assert np.abs(views[:, 1:] - views[:, :1]).max(axis=(1, 2)).min() > 0
    plain = dict.fromkeys(description["augmentation"], 0.0)
    still = frozen.features({**description, "values": {**description["values"], **plain}})
    np.testing.assert_allclose(still, np.repeat(views[:, :1], 1 + frozen.VIEWS, axis=1), atol=1e-4)


def test_an_official_test_part_is_seen_as_it_is(description, monkeypatch):
    from bench.worker import arrays, frozen

    stored = arrays.dataset(description["dataset"])
    tested = np.arange(30) >= 25
    changed = dataclasses.replace(stored, official_test=tested)
    monkeypatch.setattr(arrays, "dataset", lambda folder: changed)
    views = frozen.features(description)
    varied = np.abs(views[:, 1:] - views[:, :1]).max(axis=(1, 2)) > 0
    np.testing.assert_array_equal(varied, ~tested)


@pytest.mark.parametrize("searched", [True, False])
def test_a_preset_may_leave_the_structure_as_it_is(description, searched):
    from bench.worker import execute

    given = {"kind": "space", "transfer": "scratch", "fixed": {}, "searches_structure": searched}
    found = execute.run({**description, **given})["result"]
    entries = {e["config"]["name"]: e["class_name"] for e in found["space"]["space"]}
    assert found["structural"]
    assert {entries[name] for name in found["structural"]} == ({"Choice"} if searched else {"Fixed"})
    assert entries["learning_rate"] == "Float"


def test_the_space_of_a_frozen_candidate_holds_the_strengths_of_the_views(description):
    from bench.worker import execute

    asked = {**description, "kind": "space", "transfer": "phantom-frozen", "fixed": {}}
    outcome = execute.run(asked)
    entries = {e["config"]["name"]: e["class_name"] for e in outcome["result"]["space"]["space"]}
    assert {entries[name] for name in Digits.augmentation} == {"Fixed"}
    assert entries["learning_rate"] == "Float"
    assert "frozen" not in entries


def test_its_training_costs_the_features_too(description):
    from bench.worker import execute

    timing = {**description, "kind": "timing", "reference": False, "measure_seconds": 0.01}
    result = execute.run(timing)["result"]
    steps = result["step_seconds"] * result["steps"]
    assert result["before_seconds"] > 0
    assert result["training_seconds"] == pytest.approx(steps + result["before_seconds"])


def test_a_frozen_single_slice_has_no_votes(description, monkeypatch):
    from bench.worker import spaces

    monkeypatch.setattr(
        Digits, "prepare", lambda self, x, preprocessing: np.zeros((1, 8, 32, 32, 1), np.float32)
    )
    asked = {**description, "architecture": "single_slice", "searches_structure": True, "fixed": {}}
    for transfer, expected in (("phantom-frozen", "middle"), ("phantom", "several")):
        found = spaces.find({**asked, "transfer": transfer})
        assert spaces.default_values(found)["values"]["slice"] == expected


def test_workers_share_the_parts_of_the_samples(description, monkeypatch):
    """What another is at is left to it until nothing else is left."""
    from bench.worker import arrays, frozen

    monkeypatch.setattr(frozen, "_BLOCK", 8)
    alone = np.array(frozen.features(description))
    [made] = Path(description["dataset"]).parent.glob("n-backbone*")  # no part is left
    shutil.rmtree(made)
    frozen._features.cache_clear()
    held, order, extractor, place = [], [], frozen._extractor, arrays.place

    def first_is_held(folder, what, key):
        found = place(folder, what, key)
        if what == "backbone-parts" and not held:
            found.mkdir()
            held.append(FileLock(found / ".0.lock"))
            held[0].acquire()
        return found

    def watched(*arguments):
        extract = extractor(*arguments)

        def noted(part):
            order.append(part.start)
            if len(order) == 3:
                held[0].release()
            return extract(part)

        return noted

    monkeypatch.setattr(arrays, "place", first_is_held)
    monkeypatch.setattr(frozen, "_extractor", watched)
    np.testing.assert_array_equal(frozen.features(description), alone)
    assert order == [8, 16, 24, 0]
