"""What a network starts from: weights that a seed determines, or another network's in all but the head."""

import random
import threading
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

HEAD = "head"  # name of every architecture's last layer


def in_head(variable) -> bool:
    """Whether a variable belongs to the last layer."""
    return HEAD in variable.path.split("/")


def backbone_weights(model: keras.Model) -> list:
    """The weights of everything but the head."""
    return [weight for weight in model.weights if not in_head(weight)]


def start_from(model: keras.Model, start: Sequence[np.ndarray | None]) -> None:
    """Put weights into everything but the head, where they are not None; none at all leave it as it is."""
    for variable, pretrained in zip(backbone_weights(model) if start else (), start, strict=True):
        if pretrained is not None:
            variable.assign(pretrained)


def fresh_model(build: Callable[[], keras.Model], seed: int) -> keras.Model:
    """A model whose initial weights a seed determines.

    Layers draw the seeds of their initial weights from Python's `random.randint`. In a process with other threads,
    such as a worker of Dask, those draw from it too, at any moment: here they get their own, and this thread gets
    this seed's. TensorFlow's own seed stays as it is: to set it forgets how each graph was optimised, and the next
    step of each takes half a second. What Keras draws without a seed, and NumPy, follow this seed.
    """
    set_seed, tf.random.set_seed = tf.random.set_seed, lambda _: None
    try:
        keras.utils.set_random_seed(seed % 2**32)
    finally:
        tf.random.set_seed = set_seed
    shared, own, here = random.randint, random.Random(seed % 2**32).randint, threading.get_ident()
    random.randint = lambda a, b: (own if threading.get_ident() == here else shared)(a, b)
    try:
        return build()
    finally:
        random.randint = shared
