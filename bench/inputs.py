"""What a worker opens for a piece of work: dataset, fold, prepared samples, program. Kept between pieces."""

import functools
import hashlib
import json
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import architectures
from bench import tasks
from bench.data import maps
from bench.data.cache import ensure, open_cached, open_headers, save_dataset
from bench.data.dataset import Dataset
from bench.data.splits import Fold, assert_disjoint, divide
from bench.tasks import Task

_maps: list[weakref.ref] = []  # what this process has mapped and not yet closed


def release() -> None:
    """Give back the pages of all maps that are open here; what the next piece needs is read again."""
    for reference in list(_maps):
        x = reference()
        if x is None:
            _maps.remove(reference)
        else:
            maps.release(x)


def _open(folder: Path) -> Dataset:
    opened = open_cached(folder)
    _maps.append(weakref.ref(opened.x))
    return opened


@functools.lru_cache(maxsize=4)
def dataset(folder: str) -> Dataset:
    """Open a dataset from the cache."""
    return _open(Path(folder))


@functools.lru_cache(maxsize=4)
def headers(folder: str) -> list[dict[str, Any]]:
    """Facts of each sample's file; empty where the dataset has none."""
    return open_headers(Path(folder))


@functools.lru_cache(maxsize=32)
def _fold(folder: str, fold: int, splits: str) -> Fold:
    found = divide(dataset(folder), fold + 1, json.loads(splits))[fold]
    assert_disjoint(found, dataset(folder).subjects)
    return found


@functools.lru_cache(maxsize=4)
def prepared(folder: str, task: str, preprocessing: str) -> np.ndarray:
    """What networks see, float32 `[n, ...]`: a memory map beside the dataset, made by who needs it first.

    Parameters
    ----------
    preprocessing : the task's choices, as JSON with sorted keys.
    """
    return _prepare(dataset(folder), Path(folder), tasks.load(task), json.loads(preprocessing))


def _prepare(stored: Dataset, folder: Path, task: Task, preprocessing: dict[str, Any]) -> np.ndarray:
    first = np.asarray(stored.x[:1])
    if task.prepare(first, preprocessing) is first:
        return stored.x

    def save(path: Path) -> None:
        save_dataset(stored, path, transform=lambda block: task.prepare(block, preprocessing))

    return _kept(folder, "prepared", [preprocessing, task.code()], save)


@functools.lru_cache(maxsize=4)
def features(folder: str, task: str, name: str) -> np.ndarray:
    """What a task's feature extractor finds in all samples, float32 `[n, f]`; kept beside the dataset."""
    found, stored = tasks.load(task), dataset(folder)

    def save(path: Path) -> None:
        save_dataset(replace(stored, x=found.features(name, stored.x, headers(folder))), path)

    return _kept(Path(folder), "features", [name, found.code()], save)


def _kept(folder: Path, what: str, key: list[Any], save: Callable[[Path], None]) -> np.ndarray:
    """Samples that were made from a dataset's, in a cache folder beside it; `save` makes them once."""
    name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:12]
    path = folder.with_name(f"{folder.name}-{what}-{name}")
    return _open(ensure(path, save)).x


def reference_inputs(description: dict[str, Any], extractor: str | None, x: np.ndarray) -> np.ndarray:
    """What a reference is fed, float32 `[n, features]`: what `extractor` finds, or flattened samples.

    Parameters
    ----------
    extractor : name of a feature extractor of the task, or None.
    x : samples as networks see them.
    """
    if extractor is None:
        return np.asarray(x, np.float32).reshape(len(x), -1)
    return features(description["dataset"], description["task"], extractor)


def open_inputs(description: dict[str, Any]) -> tuple[Dataset, Fold, np.ndarray]:
    """Dataset, fold and prepared samples of a description."""
    folder = description["dataset"]
    preprocessing = json.dumps(description["preprocessing"], sort_keys=True)
    return (
        dataset(folder),
        _fold(folder, description["fold"], json.dumps(description["splits"], sort_keys=True)),
        prepared(folder, description["task"], preprocessing),
    )


def model_shape(architecture: architectures.Architecture, sample_shape: tuple[int, ...]) -> tuple[int, ...]:
    """Shape that a network's input has: flattened for one that takes a vector."""
    return (int(np.prod(sample_shape)),) if architecture.input == "vector" else tuple(sample_shape)


def _build(architecture: str, values: dict[str, Any], sample_shape: tuple[int, ...], n_classes: int):
    """A fresh model of an architecture with the structural values given."""
    import keras_tuner

    found = architectures.load(architecture)
    hp = keras_tuner.HyperParameters()
    hp.values = dict(values)
    return found.build(hp, model_shape(found, sample_shape), n_classes)


@functools.lru_cache(maxsize=4)
def _program(
    architecture: str,
    structure: str,
    sample_shape: tuple,
    n_classes: int,
    augmentation: tuple,
    freezable: bool,
):
    """Programs are kept: the same structure is traced once in the life of a worker."""
    from tuning.augment import Augmentation
    from tuning.program import Program

    values = json.loads(structure)
    return Program(
        lambda: _build(architecture, values, sample_shape, n_classes),
        sample_shape,
        Augmentation(augmentation) if augmentation else None,
        freezable,
    )


def program_for(description: dict[str, Any], sample_shape: tuple[int, ...], n_classes: int):
    """Return program and recipe of a description: structural values choose the one, the rest the other."""
    from tuning.training import Recipe

    structural = set(description["structural"])
    values = description["values"]
    training = {name: value for name, value in values.items() if name not in structural}
    program = _program(
        description["architecture"],
        structure_of(description),
        tuple(sample_shape),
        n_classes,
        tuple(description["augmentation"]),
        "frozen" in training,
    )
    return program, Recipe.from_values(training, description["epochs"])


def structure_of(description: dict[str, Any]) -> str:
    """The structural values of a description, as JSON."""
    structural = set(description["structural"])
    return json.dumps({k: v for k, v in description["values"].items() if k in structural}, sort_keys=True)


@functools.lru_cache(maxsize=2)
def _read_weights(path: str) -> list[np.ndarray]:
    with np.load(path) as file:
        return [file[f"weight{i}"] for i in range(len(file.files))]


@functools.lru_cache(maxsize=2)
def _imagenet_weights(
    architecture: str, structure: str, sample_shape: tuple[int, ...], weights: str | None
) -> list[np.ndarray | None]:
    from tuning.program import Program

    program = Program(lambda: _build(architecture, json.loads(structure), sample_shape, 2), sample_shape)
    random = program.backbone()
    architectures.load(architecture).imagenet(program.model, weights)  # type: ignore[attr-defined]
    loaded = zip(random, program.backbone(), strict=True)
    return [None if np.array_equal(before, value) else value for before, value in loaded]


def start_weights(
    description: dict[str, Any], sample_shape: tuple[int, ...]
) -> Sequence[np.ndarray | None] | None:
    """The weights a training starts from, all but the head's; None for random ones."""
    if description["transfer"] == "phantom":
        return _read_weights(str(Path(description["folder"]) / description["start"]))
    if description["transfer"] == "imagenet":
        return _imagenet_weights(
            description["architecture"],
            structure_of(description),
            tuple(sample_shape),
            description["weights"],
        )
    return None
