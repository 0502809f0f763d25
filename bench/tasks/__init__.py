"""The questions that can be asked: one file, one task, registered nowhere.

A file `bench/tasks/NAME.py`, or any other file `NAME.py` that is given by its path, holds a module-level
object `task`, an instance of a subclass of `Task`. What it needs for that is here; where it is kept is in
`bench/tasks/contract/`.
"""

import importlib
from pathlib import Path

import architectures
from bench.data.caches.source_digest import code_digest, with_parts
from bench.tasks.contract.ablation import NO_NORMALISATION, NO_TRANSFER, Ablation, no_augmentation
from bench.tasks.contract.candidate import FROZEN, TRANSFERS, Candidate, Preset, full, quick, smoke
from bench.tasks.contract.datasets import builtin_options, generated, is_builtin, permuted, store
from bench.tasks.contract.requirements import require_contract
from bench.tasks.contract.task import Task

__all__ = [
    "FROZEN",
    "NO_NORMALISATION",
    "NO_TRANSFER",
    "TRANSFERS",
    "Ablation",
    "Candidate",
    "Preset",
    "Task",
    "builtin_options",
    "full",
    "generated",
    "is_builtin",
    "load",
    "names",
    "no_augmentation",
    "permuted",
    "quick",
    "smoke",
    "store",
]

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Return the names of all tasks, from the file names alone."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))


def load(reference: str) -> Task:
    """Import one task, by a name out of `names` or by the path of a file.

    Raises KeyError: there is no such file; TypeError: it has no `task`, or one with another name than the
    file's.
    """
    file = Path(reference).resolve() if architectures.is_path(reference) else None
    if file is not None:
        module = architectures.import_file(file)
    elif reference in names():
        module = importlib.import_module(f"bench.tasks.{reference}")
    else:
        raise KeyError(reference)
    task = getattr(module, "task", None)
    if not isinstance(task, Task):
        raise TypeError(f"{reference}: `task` must be an instance of bench.tasks.Task")
    if file is not None:
        if task.name != file.stem:
            raise TypeError(f"{file.name}: `task` is named {task.name!r}, not as its file")
        require_contract(task)
        task.file, task.file_digest = file, code_digest(with_parts(file))
    return task
