"""The questions that can be asked: one file, one task, registered nowhere.

A file `bench/tasks/NAME.py` holds a module-level object `task`, an instance of a subclass of `Task`. What it
needs for that is here; where it is kept is in `bench/tasks/contract/`.
"""

import importlib
from pathlib import Path

from bench.data.caches.source_digest import preprocessing_digest
from bench.tasks.contract.ablation import NO_NORMALISATION, NO_TRANSFER, Ablation, no_augmentation
from bench.tasks.contract.candidate import TRANSFERS, Candidate, Preset
from bench.tasks.contract.datasets import builtin_options, generated, is_builtin, permuted, store
from bench.tasks.contract.task import Task

__all__ = [
    "NO_NORMALISATION",
    "NO_TRANSFER",
    "TRANSFERS",
    "Ablation",
    "Candidate",
    "Preset",
    "Task",
    "builtin_options",
    "generated",
    "is_builtin",
    "load",
    "names",
    "no_augmentation",
    "permuted",
    "preprocessing_digest",
    "store",
]

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Return the names of all tasks, from the file names alone."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))


def load(name: str) -> Task:
    """Import one task.

    Raises
    ------
    KeyError : there is no such file.
    TypeError : the file has no `task`.
    """
    if name not in names():
        raise KeyError(name)
    task = getattr(importlib.import_module(f"bench.tasks.{name}"), "task", None)
    if not isinstance(task, Task):
        raise TypeError(f"bench/tasks/{name}.py: `task` must be an instance of bench.tasks.Task")
    return task
