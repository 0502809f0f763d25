"""What a task has to say of itself: the base class of every file in `bench/tasks/`."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from bench.data.caches.source_digest import preprocessing_digest
from bench.data.dataset import Dataset
from bench.errors import UserError
from bench.tasks.contract.ablation import Ablation
from bench.tasks.contract.candidate import Candidate, Preset
from bench.tasks.contract.options import Choices, Option
from tuning.space import TrainingSpace


class Task:
    """A question with its data, its protocol, its primary metric and its candidates."""

    name: str  # the file's
    title: str  # a line for reports
    metric: str  # the primary one, a name that `bench.evaluate.metrics` knows
    candidates: Sequence[Candidate]  # what is compared
    references: Sequence[str]  # with what, by name out of `bench.worker.references`
    training_space: TrainingSpace  # the training hyperparameters that all candidates share
    transfer_space: TrainingSpace = ()  # what candidates that do not start from random weights have beside it
    # Names of the variations of training images (`tuning.augment.STRENGTHS`); their strengths are training
    # hyperparameters of the same names.
    augmentation: tuple[str, ...]
    presets: dict[str, Preset]  # "smoke", "quick" and "full"
    preprocessing: Choices  # choices that change what a network sees, JSON-ready
    preprocessing_words = ""  # what is done to a scan, in plain sentences, for those who get a network alone
    preprocessing_options: dict[str, Option] = {}  # what PREPROCESS may change of these, and beyond them
    preprocessing_files = ""  # how the names of files in `bench/data/preprocess` begin that `prepare` runs
    ablations: Sequence[Ablation] = ()  # what is switched, one at a time, in the best network
    # Training hyperparameters of `phantom` pretraining that differ from the defaults.
    pretraining_values: dict[str, Any] = {}
    # What `bench pretrain` tells apart, and from how many generated samples it learns, unless it is told
    # otherwise; the network is then used as it is.
    alone_classes: tuple[str, ...] = ()
    alone_samples = 0
    alone_preprocessing: Choices = {}  # choices that it differs by from the task's own
    alone_networks = 1  # how many are trained there, to be asked together
    reads_folders = True  # whether DATA is a folder as `bench.data.folders.folder` reads it
    sets: tuple[str, ...] = ()  # the public data sets that `fetch` chooses from, where there are several
    # Of a task in a file of the user's own, where it is and a hash of what it says; set by `bench.tasks.load`.
    file: Path | None = None
    file_digest = ""

    @property
    def reference(self) -> str:
        """What `bench.tasks.load` finds the task by, in any process: its name, or the path of its file."""
        return str(self.file) if self.file else self.name

    def but(self, **changes: Any) -> Self:
        """The same task with attributes replaced."""
        other = copy.copy(self)
        vars(other).update(changes)
        return other

    def configured(self, data: str | None) -> "Task":
        """The task as it is for these data: what can only be said once they are known, replaced (see `but`).

        Workers load the task by its name and see nothing of it: `training_space`, `transfer_space`,
        `prepare`, `features` must not hang on the data but through `preprocessing`.

        Raises UserError: data that the task cannot be asked of.
        """
        return self

    def load(self, data: str | None, folder: Path, cache: Path, preprocessing: Choices | None = None) -> Path:
        """Bring the dataset into the cache, if it is not there.

        Parameters
        ----------
        data : the user's DATA, or None: a path, or `builtin` with options (`builtin:subjects=400,test=280`).
        folder : where `fetch` puts the task's real data; used if they are there and `data` is None.
        cache : folder of all cached datasets.
        preprocessing : the choices made, for what is done while files are read; None: the task's own.

        Returns the dataset's folder, for `bench.data.caches.cached_dataset.open_cached`.

        Raises UserError: files that are missing or damaged, options that do not exist.
        """
        raise NotImplementedError

    def fetch(self, folder: Path, source: str | None = None, name: str = "") -> list[str]:
        """Download the task's public data into `folder`, or pretrained weights into Keras' cache.

        The files may be fetched from another `source`; `name` is which of `sets`. Returns what was done, a
        line each.
        """
        raise UserError(f"TASK={self.reference}: found nothing to fetch; expected DATA=path to the data")

    def prepare(self, x: np.ndarray, preprocessing: Choices) -> np.ndarray:
        """Turn stored samples `[n, ...]` into what a network sees; per sample, no statistics of others."""
        return x

    def digest(self) -> str:
        """A digest of all code that `prepare` and `features` run; what other code has made is made anew."""
        stem = self.preprocessing_files
        return (preprocessing_digest(stem) if stem else "") + self.file_digest

    def published(self, dataset: Dataset) -> list[dict[str, Any]]:
        """What others have published of these data with this very split: `title` and values by metric."""
        return []

    def features(self, name: str, x: np.ndarray, headers: list[dict[str, Any]]) -> np.ndarray:
        """Features `[n, f]` of stored samples `[n, ...]` for a reference that asks for them by name.

        `headers` are facts of each sample's file; empty where there are none.
        """
        raise NotImplementedError

    def pretraining(self, classes: Sequence[str] | None = None, samples: int | None = None) -> Dataset:
        """Generated images for pretraining, as they are stored; made anew at each call.

        `classes` (names) and `samples` (how many) are given if not the task's own choice.
        Raises UserError: the task has no generator, or not for these classes.
        """
        raise UserError(f"TASK={self.name}: found a task without generated images; expected spect or mri")

    def has_generator(self) -> bool:
        """Say whether there are generated images to pretrain on, and so `phantom` transfer."""
        return type(self).pretraining is not Task.pretraining

    def reads_files(self) -> bool:
        """Say whether scans can be read one by one, for `predict`."""
        return type(self).read is not Task.read

    def read(self, paths: Sequence[Path], preprocessing: Choices | None = None) -> np.ndarray:
        """Read files or DICOM series folders as `load` would store them, float32 `[n, ...]`."""
        raise UserError(f"TASK={self.name}: found a task that reads no image files; expected one that does")
