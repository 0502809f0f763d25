"""Deterministic operations for these tests, small inputs, and models that several tests share."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import pytest

SHAPES = {"vector": (256,), "image": (20, 23, 1), "volume": (6, 20, 18, 1)}
N_CLASSES = 3


@pytest.fixture(autouse=True, scope="session")
def deterministic() -> None:
    from tuning import runtime

    runtime.configure(1)
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()  # `configure` leaves a TensorFlow that runs as it is.


def build(name: str, values: dict[str, Any] | None = None, shape=None, n_classes: int = N_CLASSES):
    """A fresh model of an architecture on the small input of its kind, from the same seed each time."""
    import keras
    import keras_tuner

    import architectures

    found = architectures.load(name)
    hp = keras_tuner.HyperParameters()
    hp.values = dict(values or {})
    keras.utils.set_random_seed(1)
    return found.build(hp, shape or SHAPES[found.input], n_classes)


@pytest.fixture(scope="session")
def build_model() -> Callable:
    return build


@pytest.fixture(scope="session")
def shared_model() -> Callable:
    """Default models, one for each architecture; tests must not change them."""
    return lru_cache(maxsize=None)(build)


@pytest.fixture
def samples() -> Callable:
    """Return a function that draws standard normal samples `[n, *shape]`."""

    def draw(shape, n: int = 3) -> np.ndarray:
        return np.random.default_rng(7).standard_normal((n, *shape)).astype(np.float32)

    return draw
