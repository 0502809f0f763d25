"""The questions that can be asked: one file, one task, registered nowhere.

A file `bench/tasks/NAME.py` holds a module-level object `task`, an instance of a subclass of `Task`.
"""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.data.dataset import Dataset
from tuning.space import TrainingSpace

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Candidate:
    """What competes: an architecture and where its first weights come from.

    Attributes
    ----------
    architecture : name of the file in `architectures/`.
    transfer : "scratch": random weights, from the seed.
    """

    architecture: str
    transfer: str = "scratch"

    @property
    def name(self) -> str:
        """Name in journal, tables and the ARCH variable."""
        return self.architecture if self.transfer == "scratch" else f"{self.architecture}-{self.transfer}"


@dataclass(frozen=True)
class Preset:
    """How much work a sweep does.

    Attributes
    ----------
    epochs : of a full training; part of what a result means.
    trials, seeds, folds : defaults of TRIALS, SEEDS and FOLDS.
    measure_seconds : for timing the inference of one model.
    runtimes : in which inference is timed.
    careful : whether inference is timed on all threads too, and memory and energy measured.
    """

    epochs: int
    trials: int
    seeds: int
    folds: int
    measure_seconds: float
    runtimes: tuple[str, ...] = ("keras", "litert", "onnxruntime")
    careful: bool = True


class Task:
    """A question with its data, its protocol, its primary metric and its candidates.

    Attributes
    ----------
    name, title : the file's name; a line for reports.
    metric : the primary metric, a name that `bench.evaluate.metrics` knows.
    candidates, references : what is compared; references by name out of `bench.references`.
    training_space : the training hyperparameters that all candidates share.
    augmentation : names of the variations of training images (`tuning.augment.STRENGTHS`); their
        strengths are training hyperparameters of the same names.
    presets : "smoke", "quick" and "full".
    preprocessing : choices that change what a network sees, JSON-ready.
    """

    name: str
    title: str
    metric: str
    candidates: Sequence[Candidate]
    references: Sequence[str]
    training_space: TrainingSpace
    augmentation: tuple[str, ...]
    presets: dict[str, Preset]
    preprocessing: dict[str, Any]

    def load(self, data: Path | None, folder: Path) -> Dataset:
        """Load the dataset.

        Parameters
        ----------
        data : the user's DATA, or None.
        folder : where `fetch` puts the task's real data; used if they are there and `data` is None.

        Raises
        ------
        UserError : files that are missing or damaged.
        """
        raise NotImplementedError

    def fetch(self, folder: Path, source: str | None = None) -> list[str]:
        """Download the task's public data into `folder`; returns what was done, a line each."""
        raise NotImplementedError

    def prepare(self, x: np.ndarray, preprocessing: dict[str, Any]) -> np.ndarray:
        """Turn stored samples `[n, ...]` into what a network sees; per sample, no statistics of others."""
        return x


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
