"""What every architecture promises, whichever files there are; or those of `make contract FILES=net.py`."""

import keras
import keras_tuner
import numpy as np
import pytest
import tensorflow as tf
from own_files import FILES, those_with

import architectures
from tuning.initial_weights import fresh_model
from tuning.program import Program
from tuning.training import Recipe, Samples, train

NAMES = those_with("architecture") if FILES else architectures.names()
every_architecture = pytest.mark.parametrize("name", NAMES)


def paths(model) -> list[str]:
    """Paths of all weights and statistics; the random state of dropout is nobody's to copy."""
    return [v.path for v in model.variables if "seed_generator" not in v.path]


@every_architecture
def test_has_the_parts_of_the_contract(name):
    found = architectures.load(name)
    assert found.name == architectures.file_of(name).stem
    assert found.title
    assert found.input in ("vector", "image", "volume")


@every_architecture
def test_default_ends_in_logits_of_a_dense_layer_called_head(name, shared_model, samples):
    model = shared_model(name)
    head = model.get_layer("head")
    assert isinstance(head, keras.layers.Dense)
    assert head.activation is keras.activations.linear
    assert head.units == 3
    logits = model(samples(model.input_shape[1:])).numpy()
    assert logits.shape == (3, 3)
    assert np.isfinite(logits).all()
    assert not np.allclose(logits.sum(axis=1), 1, atol=1e-3)
    assert not model.compiled


@every_architecture
def test_a_seed_determines_the_initial_weights_whatever_was_drawn_before(name, shared_model):
    found, shape = architectures.load(name), shared_model(name).input_shape[1:]

    def weights() -> list[np.ndarray]:
        hp = keras_tuner.HyperParameters()
        return [weight.numpy() for weight in fresh_model(lambda: found.build(hp, shape, 3), 7).weights]

    first = weights()
    keras.random.uniform((1,))
    tf.random.uniform((1,))
    for one, other in zip(first, weights(), strict=True):
        np.testing.assert_array_equal(one, other, err_msg="draw them by the initializers of Keras")


@every_architecture
def test_builds_at_a_random_structure(name, shared_model, build_model, samples):
    shape = shared_model(name).input_shape[1:]
    hp = keras_tuner.HyperParameters()
    architectures.load(name).build(hp, shape, 2)
    rng = np.random.default_rng(NAMES.index(name))
    values = {entry.name: rng.choice(np.array(entry.values, object)) for entry in hp.space}
    assert build_model(name, values, shape, 2)(samples(shape)).shape == (3, 2), values


@every_architecture
def test_variable_paths_are_those_of_any_other_build(name, shared_model, build_model):
    model, again = shared_model(name), build_model(name)
    assert paths(model) == paths(again), (
        "every layer with weights needs a name: Keras numbers the others anew"
    )
    assert len(set(paths(model))) == len(paths(model))


@every_architecture
def test_initial_weights_hang_on_the_seed_alone(name, shared_model, build_model):
    weights, again = shared_model(name).get_weights(), build_model(name).get_weights()
    assert all(np.array_equal(one, other) for one, other in zip(weights, again, strict=True))


@every_architecture
def test_saved_and_loaded_it_answers_the_same(name, shared_model, samples, tmp_path):
    model = shared_model(name)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    x = samples(model.input_shape[1:])
    np.testing.assert_array_equal(loaded(x), model(x))


def separable(shape, n: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """Noise, to which samples of class 1 add a bright middle."""
    rng = np.random.default_rng(3)
    y = np.arange(n) % 2
    x = 0.3 * rng.standard_normal((n, *shape)).astype(np.float32)
    middle = tuple(slice(size // 4, size - size // 4) for size in shape[:-1]) or (slice(0, 64),)
    x[(y == 1, *middle)] += 2.0
    return x, y


def train_once(program, x, y, seed: int) -> tuple[list[dict], list[np.ndarray]]:
    settings = {"learning_rate": 3e-3, "weight_decay": 0.01, "dropout": 0.2}
    recipe = Recipe(epochs=6, batch_size=12, settings=settings)
    history = train(program, Samples(x, y, np.arange(len(y))), recipe, seed, 2)
    return history, program.model.get_weights()


@pytest.mark.slow
@every_architecture
def test_learns_and_a_later_training_is_that_of_a_fresh_program(name, build_model):
    shape = build_model(name).input_shape[1:]
    x, y = separable(shape)

    def program() -> Program:
        return Program(lambda: build_model(name, n_classes=2), shape)

    kept = program()
    train_once(kept, x[::-1].copy(), y[::-1].copy(), 8)
    history, weights = train_once(kept, x, y, 9)
    assert history[-1]["loss"] < 0.7 * history[0]["loss"]
    _, fresh = train_once(program(), x, y, 9)
    assert all(np.array_equal(one, other) for one, other in zip(weights, fresh, strict=True))
