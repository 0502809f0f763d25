"""Datasets that tasks bring into the cache: builtin ones, those for pretraining, and those that were read."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.data.caches.cached_dataset import SAMPLE_ARRAYS, ensure, save_dataset
from bench.data.caches.source_digest import generators_digest
from bench.data.dataset import Dataset, fingerprint
from bench.errors import UserError
from bench.tasks.contract.task import Task


def builtin_options(data: str, defaults: dict[str, int]) -> dict[str, int]:
    """Parse `builtin:subjects=400,test=280`.

    Raises UserError: an option that is not among `defaults`, a value other than up to 18 digits from 0 to 9, or a
    million images or more.
    """
    options = dict(defaults)
    _, _, text = data.partition(":")
    for part in filter(None, text.split(",")):
        name, _, value = part.partition("=")
        if name not in defaults or not re.fullmatch("[0-9]{1,18}", value):
            accepted = ", ".join(f"{key}=number" for key in defaults) or "no options"
            raise UserError(f"DATA={data}: found {part!r}; expected {accepted}")
        if name != "seed" and int(value) >= 10**6:
            raise UserError(f"DATA={data}: found {part!r}; expected a number below a million")
        options[name] = int(value)
    return options


def is_builtin(data: str | None) -> bool:
    """Say whether DATA asks for builtin data by name."""
    return data is not None and data.split(":")[0] == "builtin"


def generated(
    cache: Path,
    name: str,
    data: str | None,
    defaults: dict[str, int],
    make: Callable[[dict[str, int]], tuple[Dataset, list[dict[str, Any]]]],
) -> Path:
    """The cache folder of a builtin dataset, which is made once for the same options and the same code.

    `make` gives dataset and headers (or none) for options, those of DATA or `defaults`; with `permute` among them,
    labels are shuffled between subjects.
    """
    options = builtin_options(data or "builtin", defaults)
    key = hashlib.sha256(f"{sorted(options.items())}{generators_digest()}".encode()).hexdigest()[:12]

    def save(target: Path) -> None:
        dataset, headers = make(options)
        dataset = permuted(dataset, options["permute"]) if options["permute"] else dataset
        save_dataset(dataset, target, headers=headers)

    return ensure(cache / f"{name}-{key}", save)


def pretraining(
    task: Task,
    cache: Path,
    classes: tuple[str, ...] | None = None,
    samples: int | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Path:
    """The cache folder with the task's generated images for pretraining, made if it is not there.

    `classes` and `samples` are others than the task's own choice; see `Task.pretraining`.
    """
    if not task.has_generator():
        task.pretraining(classes, samples)  # says so
    text = f"{classes}{samples}{generators_digest()}{task.file_digest}"
    folder = cache / f"{task.name}-pretraining-{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    def save(target: Path) -> None:
        say("generating images for pretraining (once)")
        save_dataset(task.pretraining(classes, samples), target)

    return ensure(folder, save).resolve()


def store(dataset: Dataset, cache: Path) -> Path:
    """Put a dataset that was read into the cache; one that is there already and whole is left alone.

    Its fingerprint is made of all that it says, whatever the task took for its own.
    """
    said: list[np.ndarray | str] = [dataset.fingerprint, dataset.provenance, *dataset.classes]
    said += [str(sorted(dataset.details.items())), np.asarray(dataset.x, np.float32)]
    for name in SAMPLE_ARRAYS:
        if (entries := getattr(dataset, name)) is not None:
            said += [name, np.asarray(entries).astype(str)]
    dataset = replace(dataset, fingerprint=fingerprint(*said))
    folder = cache / f"{dataset.name}-{dataset.fingerprint}"
    return ensure(folder, lambda target: save_dataset(dataset, target))


def permuted(dataset: Dataset, seed: int) -> Dataset:
    """The same samples with labels shuffled between subjects: what is then better than chance is a leak."""
    subjects, first = np.unique(dataset.subjects, return_index=True)
    shuffled = np.random.default_rng([seed, 7]).permutation(dataset.y[first])
    y = shuffled[np.searchsorted(subjects, dataset.subjects)]
    return replace(
        dataset,
        y=y,
        fingerprint=fingerprint(dataset.fingerprint, "permuted", y),
        provenance=dataset.provenance + " LABELS PERMUTED between subjects: every result should be chance.",
    )
