"""Opening what is to be measured: saved models with custom layers, and their sample inputs."""

import functools
import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np

import architectures


def import_packages(names: Sequence[str]) -> None:
    """Import every module of the packages, since importing is what registers their custom layers with Keras.

    A package that does not exist or a module that fails is passed over with a line on stderr: a model that
    needs it says so itself when it is loaded, and the others can still be measured. A name that ends in `.py`
    is the path of one file.
    """
    for name in names:
        if architectures.is_path(name):
            _import(functools.partial(architectures.import_file, Path(name)), name)
            continue
        if importlib.util.find_spec(name) is None:
            print(f"no package {name}", file=sys.stderr)
            continue
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            _import(functools.partial(importlib.import_module, module.name), module.name)


def _import(load: Callable[[], object], name: str) -> None:
    try:
        load()
    except Exception as error:
        print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr)


def load_model(path: str) -> keras.Model:
    """Load a `.keras` file for inference; its loss and optimizer are not needed."""
    return keras.saving.load_model(path, compile=False, safe_mode=True)


def why_not_opened(error: Exception) -> str:
    """What was wrong, in a line; Keras puts the whole configuration before it."""
    cause = str(error).rpartition("Exception encountered:")[2]
    return " ".join(cause.split())[:200] or type(error).__name__


def count_parameters(model: keras.Model) -> int:
    """What a training finds, its statistics included; rates of dropout and states of random numbers are none."""
    found = [w for w in model.weights if w.name != "dropout_rate" and str(w.dtype).startswith("float")]
    return sum(int(np.prod(weight.shape)) for weight in found)


def load_samples(path: str, count: int) -> np.ndarray:
    """Read float32 `[count, ...]`, the samples repeated in order until there are enough."""
    samples = np.load(path, allow_pickle=False)
    if len(samples) == 0:
        raise ValueError(f"{path}: no samples")
    return np.ascontiguousarray(samples[np.arange(count) % len(samples)], dtype=np.float32)
