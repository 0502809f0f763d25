"""What a worker opens for a work item: dataset, fold, samples as networks see them. Kept between items."""

import functools
import hashlib
import json
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench import tasks
from bench.data.caches import memory_maps
from bench.data.caches.cached_dataset import ensure, open_cached, open_headers, save_dataset
from bench.data.dataset import Dataset
from bench.data.preprocess.mri_scanner_features import header_features
from bench.data.splits import Fold, assert_disjoint, divide

_maps: list[weakref.ref] = []  # what this process has mapped and not yet closed


def release() -> None:
    """Give back the pages of all maps that are open here; what the next piece needs is read again."""
    for reference in list(_maps):
        x = reference()
        if x is None:
            _maps.remove(reference)
        else:
            memory_maps.release(x)


def _open(folder: Path) -> Dataset:
    opened = open_cached(folder)
    _maps.append(weakref.ref(opened.x))
    return opened


@functools.lru_cache(maxsize=4)
def dataset(folder: str) -> Dataset:
    """Open a dataset from the cache."""
    return _open(Path(folder))


@functools.lru_cache(maxsize=4)
def headers(folder: str) -> list[dict[str, float]]:
    """Facts of each sample's file as numbers, the same names for all, so that one sample has the columns of all.

    Empty where the dataset has none.
    """
    values, names = header_features(open_headers(Path(folder)))
    return [dict(zip(names, row, strict=True)) for row in values.tolist()]


@functools.lru_cache(maxsize=32)  # of ordinary folds each is asked for with another `count`
def _folds(folder: str, count: int, splits: str) -> list[Fold]:
    found = divide(dataset(folder), count, json.loads(splits))
    for fold in found:
        assert_disjoint(fold, dataset(folder).subjects)
    return found


@functools.lru_cache(maxsize=4)
def prepared(folder: str, task: str, preprocessing: str) -> np.ndarray:
    """What networks see, float32 `[n, ...]`: a memory map beside the dataset, made by who needs it first.

    `preprocessing`: the task's choices, as JSON with sorted keys.
    """
    stored, found, choices = dataset(folder), tasks.load(task), json.loads(preprocessing)
    first = np.asarray(stored.x[:1])
    if found.prepare(first, choices) is first:
        return stored.x

    def save(path: Path) -> None:
        save_dataset(stored, path, transform=lambda block: found.prepare(block, choices))

    return kept(Path(folder), "prepared", [choices, found.digest()], save)


@functools.lru_cache(maxsize=4)
def features(folder: str, task: str, name: str) -> np.ndarray:
    """What a task's feature extractor finds in all samples, float32 `[n, f]`; kept beside the dataset."""
    found, stored = tasks.load(task), dataset(folder)

    def save(path: Path) -> None:
        save_dataset(replace(stored, x=found.features(name, stored.x, headers(folder))), path)

    return kept(Path(folder), "features", [name, found.digest()], save)


def kept(folder: Path, what: str, key: list[Any], save: Callable[[Path], None]) -> np.ndarray:
    """Samples that were made from a dataset's, in a cache folder beside it; `save` makes them once."""
    return _open(ensure(place(folder, what, key), save)).x


def place(folder: Path, what: str, key: list[Any]) -> Path:
    """The cache folder of what was made from a dataset by what `key` says."""
    name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:12]
    return folder.with_name(f"{folder.name}-{what}-{name}")


def reference_inputs(description: dict[str, Any], extractor: str | None) -> np.ndarray:
    """What a reference is fed, float32 `[n, features]`: what `extractor` finds, or flattened samples.

    `extractor`: name of a feature extractor of the task, which sees samples as they are stored, or None.
    """
    if extractor is None:
        x = open_samples(description)
        return np.asarray(x, np.float32).reshape(len(x), -1)
    return features(description["dataset"], description["task"], extractor)


def open_fold(description: dict[str, Any]) -> tuple[Dataset, Fold]:
    """Dataset and fold of a description."""
    folder, fold, splits = description["dataset"], description["fold"], description["splits"]
    count = 1 if splits.get("by") == "site" else fold + 1  # by site there are as many as sites, made at once
    return dataset(folder), _folds(folder, count, json.dumps(splits, sort_keys=True))[fold]


def open_samples(description: dict[str, Any]) -> np.ndarray:
    """Samples of a description as networks see them, float32 `[n, ...]`."""
    preprocessing = json.dumps(description["preprocessing"], sort_keys=True)
    return prepared(description["dataset"], description["task"], preprocessing)


def open_inputs(description: dict[str, Any]) -> tuple[Dataset, Fold, np.ndarray]:
    """Dataset, fold and prepared samples of a description."""
    return *open_fold(description), open_samples(description)
