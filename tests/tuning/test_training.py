"""One training: balance, order, checkpoints that may be damaged, a loss that is no number."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from tuning import training
from tuning.program import Program
from tuning.training import (
    LEAST_STEPS,
    Checkpoint,
    Diverged,
    Recipe,
    Samples,
    _class_weights,
    _epoch_order,
    predict,
    steps_per_epoch,
    train,
)

CLASSES = 3


def build() -> keras.Model:
    inputs = keras.Input((4,))
    return keras.Model(inputs, keras.layers.Dense(CLASSES, name="head")(inputs))


@pytest.fixture(scope="module")
def program() -> Program:
    return Program(build, (4,))


@pytest.fixture(scope="module")
def samples() -> Samples:
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], [30, 12, 6])
    x = rng.normal(size=(48, 4)).astype(np.float32) + np.eye(3, 4, dtype=np.float32)[y] * 3
    return Samples(x, y, np.arange(48))


RECIPE = Recipe(epochs=4, batch_size=8, settings={"learning_rate": 0.05})


def without_times(history: list[dict]) -> list[dict]:
    return [{name: value for name, value in record.items() if name != "seconds"} for record in history]


def test_a_training_learns_and_keeps_a_record_an_epoch(program, samples):
    history = train(program, samples, RECIPE, 1, CLASSES, validation=samples)
    assert [record["epoch"] for record in history] == [1, 2, 3, 4]
    assert history[-1]["loss"] < history[0]["loss"]
    probabilities = predict(program, samples)
    assert history[-1]["val_accuracy"] == (probabilities.argmax(axis=1) == samples.y).mean()
    expected = -np.log(probabilities[np.arange(48), samples.y]).mean()
    assert history[-1]["val_loss"] == pytest.approx(expected)


def test_a_learning_curve_has_ten_points_and_always_the_last(program, samples):
    recipe = replace(RECIPE, epochs=25)
    history = train(program, samples, recipe, 1, CLASSES, validation=samples, until=7)
    assert [record["epoch"] for record in history if "val_loss" in record] == [3, 6, 7]
    assert all("loss" in record for record in history)


class Killed(BaseException):
    """Stands for SIGKILL."""


@pytest.mark.parametrize("balance", ["none", "oversample", "weighted"])
def test_a_training_cut_off_at_any_epoch_ends_as_if_it_had_not_been(
    tmp_path, program, samples, balance, monkeypatch
):
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    recipe = Recipe(4, 8, balance, RECIPE.settings)
    straight = train(program, samples, recipe, 1, CLASSES)
    state = program.state()
    for last in (1, 2, 3):
        checkpoint, seen = Checkpoint(tmp_path / f"{balance}{last}.npz"), []

        def kill(record: dict, last: int = last) -> None:
            if record["epoch"] == last:
                raise Killed

        with pytest.raises(Killed):
            train(program, samples, recipe, 1, CLASSES, checkpoint=checkpoint, on_epoch=kill)
        train(program, samples, RECIPE, 7, CLASSES)  # somebody else's
        history = train(program, samples, recipe, 1, CLASSES, checkpoint=checkpoint, on_epoch=seen.append)
        assert [record["epoch"] for record in seen] == list(range(last + 1, 5))
        assert without_times(history) == without_times(straight)
        for value, expected in zip(program.state(), state, strict=True):
            np.testing.assert_array_equal(value, expected)


@pytest.mark.parametrize(("ends_by", "kept"), [(Killed, None), (RuntimeError, 3)])
def test_short_epochs_are_kept_together_or_when_a_training_is_stopped(
    tmp_path, program, samples, ends_by, kept, monkeypatch
):
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 1000.0)
    recipe = Recipe(4, 8, "none", RECIPE.settings)
    straight = train(program, samples, recipe, 1, CLASSES)
    checkpoint = Checkpoint(tmp_path / "trial.npz")

    def end(record: dict) -> None:
        if record["epoch"] == 3:
            raise ends_by

    with pytest.raises(ends_by):
        train(program, samples, recipe, 1, CLASSES, checkpoint=checkpoint, on_epoch=end)
    saved = checkpoint.load()
    assert (len(saved[1]) if saved else None) == kept
    again = train(program, samples, recipe, 1, CLASSES, checkpoint=checkpoint)
    assert without_times(again) == without_times(straight)


def test_a_training_that_goes_on_from_a_rung_is_the_one_that_ran_through(tmp_path, program, samples):
    recipe = Recipe(4, 8, "none", {**RECIPE.settings, "stable": 0.5})
    straight = train(program, samples, recipe, 1, CLASSES)
    state = program.state()
    checkpoint = Checkpoint(tmp_path / "trial.npz")
    first = train(program, samples, recipe, 1, CLASSES, checkpoint=checkpoint, until=2)
    assert without_times(first) == without_times(straight[:2])
    train(program, samples, RECIPE, 7, CLASSES)  # somebody else's
    assert without_times(train(program, samples, recipe, 1, CLASSES, checkpoint=checkpoint)) == without_times(
        straight
    )
    for value, expected in zip(program.state(), state, strict=True):
        np.testing.assert_array_equal(value, expected)


def test_a_rung_that_is_repeated_does_not_begin_beyond_its_end(tmp_path, program, samples):
    recipe = Recipe(4, 8, "none", {**RECIPE.settings, "stable": 0.5})
    first = train(program, samples, recipe, 1, CLASSES, until=2)
    checkpoint = Checkpoint(tmp_path / "trial.npz")
    train(program, samples, recipe, 1, CLASSES, checkpoint=checkpoint, until=3)
    again = train(program, samples, recipe, 1, CLASSES, checkpoint=checkpoint, until=2)
    assert without_times(again) == without_times(first)


@pytest.fixture
def checkpoint(tmp_path) -> Checkpoint:
    found = Checkpoint(tmp_path / "work" / "trial.npz")
    found.save([np.arange(6.0).reshape(2, 3), np.array(3, np.int64)], [{"epoch": 1, "loss": 0.5}])
    return found


def test_a_checkpoint_comes_back_as_it_was(checkpoint):
    state, history = checkpoint.load()
    np.testing.assert_array_equal(state[0], np.arange(6.0).reshape(2, 3))
    assert state[1].dtype == np.int64
    assert history == [{"epoch": 1, "loss": 0.5}]
    assert [path.name for path in checkpoint.path.parent.iterdir()] == ["trial.npz"]


def test_a_checkpoint_cut_at_any_byte_is_none(checkpoint):
    content = checkpoint.path.read_bytes()
    for end in range(0, len(content), 7):
        checkpoint.path.write_bytes(content[:end])
        assert checkpoint.load() is None
    for end in range(0, len(content) - 1, 97):
        checkpoint.path.write_bytes(content[:end] + b"\0" * (len(content) - end))
        assert checkpoint.load() is None


def test_a_save_that_fails_leaves_the_checkpoint_before_it(checkpoint, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save([np.zeros(3)], [])
    assert checkpoint.load()[1] == [{"epoch": 1, "loss": 0.5}]


def test_a_loss_that_is_no_number_is_said(program, samples):
    spoilt = Samples(samples.x * np.float32(np.inf), samples.y, samples.indices)
    with pytest.raises(Diverged, match="the loss is nan after epoch 1 of 4"):
        train(program, spoilt, RECIPE, 1, CLASSES)


def test_predictions_that_are_no_numbers_are_said(program, samples):
    """The last step of a training can spoil the weights without a loss that shows it."""
    program.reset(1, {}, 1)
    program.model.get_layer("head").bias.assign(np.full(CLASSES, np.nan, np.float32))
    with pytest.raises(Diverged, match="probability"):
        predict(program, samples)


def test_oversampling_makes_all_classes_as_frequent():
    labels = np.repeat([0, 1, 3], [10, 4, 1])
    order = _epoch_order(labels, Recipe(1, 2, "oversample"), 4, np.random.default_rng(0))
    assert np.bincount(labels[order]).tolist() == [10, 10, 0, 10]
    assert set(order) == set(range(15))  # nothing is left out
    plain = _epoch_order(labels, Recipe(1, 2), 4, np.random.default_rng(0))
    assert sorted(plain) == list(range(15))
    assert not np.array_equal(plain, np.arange(15))


def test_class_weights_are_scikit_learns():
    from sklearn.utils.class_weight import compute_class_weight

    labels = np.repeat([0, 1, 2], [30, 12, 6])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    np.testing.assert_allclose(_class_weights(labels, "weighted", 3), expected, rtol=1e-6)
    np.testing.assert_array_equal(_class_weights(labels, "none", 3), np.ones(3))
    assert _class_weights(np.array([0, 0, 2]), "weighted", 3).tolist() == [0.75, 0.0, 1.5]


def test_more_data_than_a_call_holds_train_the_same(program, samples, monkeypatch):
    expected = train(program, samples, RECIPE, 1, CLASSES)
    state = program.state()
    monkeypatch.setattr("tuning.training._CHUNK_BYTES", 16 * 16)  # two batches of eight samples a call
    history = train(program, samples, RECIPE, 1, CLASSES)
    for value, other in zip(program.state(), state, strict=True):
        np.testing.assert_array_equal(value, other)
    losses = [[record["loss"] for record in found] for found in (history, expected)]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-6)
    whole = predict(program, samples)
    assert whole.shape == (48, CLASSES)


def test_a_few_samples_come_several_times_in_an_epoch(program, samples):
    few = Samples(samples.x, samples.y, samples.indices[:5])
    assert len(train(program, few, RECIPE, 1, CLASSES)) == 4
    assert int(program._step.numpy()) == 4 * LEAST_STEPS
    order = _epoch_order(few.labels(), Recipe(1, 3), CLASSES, np.random.default_rng(0))
    assert [sorted(order[start : start + 5]) for start in (0, 5, 10)] == [list(range(5))] * 3
    assert steps_per_epoch(few.labels(), RECIPE, CLASSES) == LEAST_STEPS
    assert steps_per_epoch(samples.labels(), Recipe(1, 5), CLASSES) == 48 // 5


def test_a_recipe_takes_values_apart():
    values = {"batch_size": 32, "learning_rate": 0.01, "schedule": "cosine", "balance": "weighted"}
    recipe = Recipe.from_values(values, epochs=7)
    assert recipe == Recipe(7, 32, "weighted", {"learning_rate": 0.01, "schedule": 1.0, "stable": 0.0})
    assert Recipe.from_values({**values, "epochs": 3}, epochs=7).epochs == 3
    with pytest.raises(ValueError, match="balance 'some': expected one of none, oversample, weighted"):
        Recipe.from_values({**values, "balance": "some"}, epochs=7)
