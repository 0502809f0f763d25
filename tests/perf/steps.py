"""How much of what one thread can do in a matrix product the training steps of each architecture reach."""

import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd

import architectures
from bench import tasks
from bench.measure.macs import macs
from bench.worker import programs
from tuning import runtime, training
from tuning.space import defaults

_SIDE = 1024
# A forward pass and, for the gradients of weights and of activations, two more; a MAC is two operations.
_OPERATIONS_PER_MAC = 6
# What networks see in each task, and the structures besides the defaults.
_SHAPES = {
    "vector": ("digits", (16, 16, 1)),
    "image": ("spect", (50, 50, 1)),
    "volume": ("mri", (14, 64, 64, 1)),
}
_LARGER = {"full vgg16": ("vgg16", {"width": 1.0, "blocks": 5, "normalisation": "none"})}


def measure(folder: Path, arch: str | None = None, rounds: int = 5) -> Iterator[str | pd.DataFrame]:
    """Time steps and matrix products in turns, on one thread."""
    del folder
    runtime.configure()
    import tensorflow as tf

    chosen: dict[str, tuple[str, dict[str, Any]]] = {
        name: (name, {}) for name in architectures.names()
    } | _LARGER
    if arch:
        chosen = {name: chosen[name] for name in arch.split(",")}
    square = tf.constant(np.random.default_rng(0).standard_normal((_SIDE, _SIDE), dtype=np.float32))
    product = tf.function(lambda x: tf.reduce_sum(x @ x))

    def product_seconds() -> float:
        return _seconds(lambda: product(square).numpy())

    product_seconds()
    yield (
        f"Operations of a step: MACs x batch x {_OPERATIONS_PER_MAC}; the rate of the matrix product: of two of "
        f"{_SIDE} x {_SIDE}, float32, in the same process on the same thread, timed in turns with the steps. "
        "Augmentation, optimizer and copying count as time and not as operations."
    )
    yield pd.DataFrame(
        [_row(label, *structure, rounds, product_seconds) for label, structure in chosen.items()]
    )


def _row(label: str, name: str, values: dict[str, Any], rounds: int, product_seconds) -> dict[str, object]:
    architecture = architectures.load(name)
    task_name, shape = _SHAPES[architecture.input]
    task = tasks.load(task_name)
    description = {
        "architecture": name,
        "structural": list(values),
        "values": {**defaults(task.training_space), **values},
        "augmentation": list(task.augmentation),
        "epochs": 1,
    }
    program, recipe = programs.program_for(description, shape, 2)
    in_a_call = training.steps_a_call(shape, recipe.batch_size)
    n = recipe.batch_size * in_a_call
    x = np.random.default_rng(0).standard_normal((n, *shape), dtype=np.float32)
    program.reset(1, recipe.settings, 100)
    y, weights = np.arange(n) % 2, np.ones(n, np.float32)

    def steps() -> None:
        program.run(x, y, weights, recipe.batch_size)

    steps()
    pairs = [(product_seconds(), _seconds(steps) / in_a_call) for _ in range(rounds)]
    operations = macs(program.model) * recipe.batch_size * _OPERATIONS_PER_MAC
    rates = [(2 * _SIDE**3 / product, operations / step) for product, step in pairs]
    return {
        "network": label,
        "input": "x".join(map(str, shape)),
        "batch": recipe.batch_size,
        "GFLOP a step": f"{operations / 1e9:.3g}",
        "step ms": f"{1e3 * median(step for _, step in pairs):.3g}",
        "GFLOP/s": f"{median(rate for _, rate in rates) / 1e9:.0f}",
        "matrix product GFLOP/s": f"{median(rate for rate, _ in rates) / 1e9:.0f}",
        "share": f"{median(rate / best for best, rate in rates):.0%}",
    }


def _seconds(call) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started
