"""The initial weights of a training hang on its seed alone, whatever other threads draw."""

import random
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf

from tuning.program import Program


def network() -> keras.Model:
    """Ten layers, so that there is time to disturb it."""
    layers = [keras.layers.Dense(4) for _ in range(10)]
    return keras.Sequential([keras.Input((3,)), *layers])


@pytest.fixture
def busy_thread():
    """A thread that draws from Python's global generator without pause, as those of a Dask worker do."""
    ended = threading.Event()

    def draw() -> None:
        while not ended.is_set():
            random.random()

    thread = threading.Thread(target=draw)
    thread.start()
    yield thread
    ended.set()
    thread.join()


def test_another_thread_that_draws_random_numbers_changes_no_initial_weight(busy_thread):
    del busy_thread
    program = Program(network, (3,))
    for seed in (1, 2, 3):
        program.reset(seed, {}, 1)
        found = [variable.numpy() for variable in program.model.variables]
        program._initial.clear()
        program.reset(seed, {}, 1)
        for one, other in zip(found, program.model.variables, strict=True):
            np.testing.assert_array_equal(one, other.numpy())


def test_initial_weights_are_those_of_keras_own_seeding():
    keras.utils.set_random_seed(5)
    expected = network().get_weights()
    program = Program(network, (3,))
    program.reset(5, {}, 1)
    for one, other in zip(expected, program.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_another_seed_leaves_graphs_as_they_were_optimised(monkeypatch):
    program = Program(network, (3,))
    program.reset(1, {}, 1)
    # It empties the cache of what TensorFlow made of all graphs in this process.
    monkeypatch.setattr(tf.random, "set_seed", lambda _: pytest.fail("TensorFlow's own seed set anew"))
    program.reset(2, {}, 1)
