"""Datasets for pretraining: generated once, kept in the cache."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from bench.data.caches.cached_dataset import ensure, save_dataset
from bench.data.caches.source_digest import generators_digest
from bench.tasks.contract.task import Task


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
    text = f"{classes}{samples}{generators_digest()}"
    folder = cache / f"{task.name}-pretraining-{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    def save(target: Path) -> None:
        say("generating images for pretraining (once)")
        save_dataset(task.pretraining(classes, samples), target)

    return ensure(folder, save).resolve()
