"""Networks of which nothing but the head ever learns: features are computed once, and a head is trained on them.

The backbone never changes, so that what it makes of a sample is the same in every trial, seed and fold. Its
features of all samples, as they are and augmented in a few ways, are kept beside the dataset; training picks one
of these views of a sample at each step, and predictions rest on the sample as it is. What is an official test part
is seen as it is alone.
"""

import functools
import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import architectures
from architectures.layers import AdjustableDropout, logits
from bench import tasks
from bench.data.caches.cached_dataset import ensure, open_cached, save_dataset
from bench.data.caches.source_digest import code_digest, with_parts
from bench.worker import arrays, programs
from tuning import augment
from tuning.initial_weights import HEAD, backbone_weights, fresh_model, start_from
from tuning.program import Program
from tuning.seeds import seed_of

VIEWS = 4  # augmented ones, beside the sample as it is
_BLOCK = 32  # samples that go through the backbone at once
_PARTS = 16  # at most, in which workers share the samples


class PickView(keras.layers.Layer):
    """`[batch, views, features] -> [batch, features]`: any view in training, the first otherwise."""

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, inputs, training=False):
        if not training:
            return inputs[:, 0]
        views = inputs.shape[1]
        drawn = keras.random.randint((keras.ops.shape(inputs)[0],), 0, views, seed=self.seed_generator)
        chosen = keras.ops.one_hot(drawn, views, dtype=inputs.dtype)
        return keras.ops.sum(inputs * chosen[..., None], axis=1)

    def compute_output_shape(self, input_shape):
        return input_shape[0], input_shape[2]


@functools.lru_cache(maxsize=2)
def head_program(shape: tuple[int, int], n_classes: int) -> Program:
    """A program whose network is a head on features `[views, features]`."""

    def build() -> keras.Model:
        inputs = keras.Input(shape)
        x = AdjustableDropout(name="dropout")(PickView(name="view")(inputs))
        return keras.Model(inputs, logits(x, n_classes))

    return Program(build, shape)


def network(description: dict[str, Any], program: Program | None = None) -> keras.Model:
    """The whole network of a description, with the head that a program has trained, if one is given.

    Raises ValueError: its head is not its last layer, a dense one on a vector of features.
    """
    whole = _network(_content(description))
    if program is not None:
        whole.get_layer(HEAD).set_weights(program.model.get_layer(HEAD).get_weights())
    return whole


def _content(description: dict[str, Any]) -> str:
    """What a backbone and its features hang on, but for the strengths of the augmentation."""
    names = ("dataset", "task", "preprocessing", "architecture", "transfer", "folder", "start", "weights")
    content = {**{name: description[name] for name in names}, "structural": description["structural"]}
    return json.dumps({**content, "values": json.loads(programs.structure_of(description))}, sort_keys=True)


@functools.lru_cache(maxsize=2)
def _network(content: str) -> keras.Model:
    description = json.loads(content)
    x = arrays.open_samples(description)
    name, n_classes = description["architecture"], len(arrays.dataset(description["dataset"]).classes)
    whole = fresh_model(
        lambda: programs.build(name, description["values"], x.shape[1:], n_classes), seed_of(name, "backbone")
    )
    start_from(whole, programs.start_weights(description, x.shape[1:]) or ())
    for layer in whole.layers[:-1]:
        layer.trainable = False  # as the network that is kept says of itself
    last = whole.layers[-1]
    if last.name != HEAD or not isinstance(last, keras.layers.Dense) or len(last.input.shape) != 2:
        raise ValueError(f"{name}: found a last layer {last.name!r}; expected a dense `{HEAD}` on features")
    return whole


def features(description: dict[str, Any]) -> np.ndarray:
    """What the backbone makes of all samples, float32 `[n, 1 + VIEWS, features]`, the sample as it is first."""
    strengths = {name: float(description["values"][name]) for name in description["augmentation"]}
    return _features(_content(description), json.dumps(strengths))


@functools.lru_cache(maxsize=2)
def _features(content: str, augmentation: str) -> np.ndarray:
    description, strengths = json.loads(content), json.loads(augmentation)
    x, whole = arrays.open_samples(description), _network(content)
    digest = hashlib.sha256(programs.structure_of(description).encode())
    for weight in backbone_weights(whole):
        digest.update(weight.numpy().tobytes())
    source = with_parts(architectures.file_of(description["architecture"]), architectures.FOLDER)
    made_by = code_digest([Path(__file__), Path(augment.__file__), *source])
    key = [
        description["preprocessing"],
        tasks.load(description["task"]).digest(),
        strengths,
        digest.hexdigest(),
        made_by,
    ]

    folder, stored = Path(description["dataset"]), arrays.dataset(description["dataset"])
    trained = np.ones(len(x), bool) if stored.official_test is None else ~np.asarray(stored.official_test)
    extract = _extractor(whole, x, strengths, trained)
    size = _BLOCK * -(-len(x) // (_BLOCK * _PARTS))
    made, parted = arrays.place(folder, "backbone", key), arrays.place(folder, "backbone-parts", key)
    parts = {parted / str(start): slice(start, min(start + size, len(x))) for start in range(0, len(x), size)}

    def make(place: Path, wait: bool) -> None:
        part = parts[place]
        columns: dict[str, Any] = dict.fromkeys(("sites", "official_test", "official_validation"))
        columns |= {"y": stored.y[part], "subjects": stored.subjects[part]}
        ensure(place, lambda path: save_dataset(replace(stored, x=extract(part), **columns), path), wait=wait)

    def join(path: Path) -> None:
        for place in parts:
            make(place, wait=True)
        found = np.concatenate([open_cached(place).x for place in parts])
        save_dataset(replace(stored, x=found), path)
        shutil.rmtree(parted, ignore_errors=True)

    for place in parts:  # each worker that needs them takes what no other is at; one joins all
        if not made.exists():
            make(place, wait=False)
    return arrays.kept(folder, "backbone", key, join)


def extraction(description: dict[str, Any], seen: np.ndarray) -> tuple[Callable[[], object], int]:
    """What computes the features of a block of samples, all views, and in how many blocks it sees those `seen`."""
    strengths = {name: float(description["values"][name]) for name in description["augmentation"]}
    x = arrays.open_samples(description)
    extract = _extractor(_network(_content(description)), x, strengths, np.ones(len(x), bool))
    return lambda: extract(slice(0, min(_BLOCK, len(x)))), -(-len(seen) // _BLOCK)


def _extractor(
    whole: keras.Model, x: np.ndarray, strengths: dict[str, float], trained: np.ndarray
) -> Callable[[slice], np.ndarray]:
    """What makes features of a part of the samples, and of the variations of those that may be `trained` on
    (bool `[n]`). A part begins at a multiple of `_BLOCK`.
    """
    backbone = keras.Model(whole.inputs, whole.get_layer(HEAD).input)
    augmentation = augment.Augmentation(tuple(strengths))

    @tf.function(input_signature=[tf.TensorSpec([None, *x.shape[1:]]), tf.TensorSpec([2], tf.int32)])
    def varied(block, seed):
        return augmentation(block, strengths, seed) if strengths else block

    @tf.function(input_signature=[tf.TensorSpec([None, *x.shape[1:]])])
    def features_of(block):
        return backbone(tf.reshape(block, [-1, *whole.input_shape[1:]]), training=False)

    def extract(part: slice) -> np.ndarray:
        found = np.empty((part.stop - part.start, 1 + VIEWS, backbone.output_shape[1]), np.float32)
        for start in range(part.start, part.stop, _BLOCK):
            block = slice(start, min(start + _BLOCK, part.stop))
            samples, rows = tf.constant(np.asarray(x[block], np.float32)), found[start - part.start :]
            rows[: len(samples)] = features_of(samples).numpy()[:, None]
            chosen = np.flatnonzero(trained[block])
            for view in range(1, 1 + VIEWS) if len(chosen) else ():
                seed = tf.constant([seed_of("view", view), start], tf.int32)
                rows[chosen, view] = features_of(varied(tf.gather(samples, chosen), seed))
        return found

    return extract
