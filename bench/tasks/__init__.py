"""The questions that can be asked: one file, one task, registered nowhere.

A file `bench/tasks/NAME.py` holds a module-level object `task`, an instance of a subclass of `Task`.
"""

import hashlib
import importlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.data.cache import ensure, save_dataset
from bench.data.dataset import Dataset, fingerprint
from bench.digests import code_digest, generators_digest
from bench.errors import UserError
from bench.options import Option
from tuning.space import TrainingSpace

FOLDER = Path(__file__).parent
TRANSFERS = ("phantom", "imagenet")


@dataclass(frozen=True)
class Candidate:
    """What competes: an architecture and where its first weights come from.

    Attributes
    ----------
    architecture : name of the file in `architectures/`.
    transfer : "scratch": random weights, from the seed; "phantom": the same network first trained on the
        task's generated images (`Task.pretraining`); "imagenet": weights of `keras.applications`.
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
    pretraining_epochs : of `phantom` transfer.
    ablation_seeds : refits of each ablation, compared with all of the winner's; never more than SEEDS,
        which is also what None means.
    runtimes : in which inference is timed.
    careful : whether inference is timed on all threads too, and memory and energy measured.
    """

    epochs: int
    trials: int
    seeds: int
    folds: int
    measure_seconds: float
    pretraining_epochs: int = 0
    ablation_seeds: int | None = None
    runtimes: tuple[str, ...] = ("keras", "litert", "onnxruntime")
    careful: bool = True


@dataclass(frozen=True)
class Ablation:
    """One thing changed in the best network's training, everything else as it was.

    Attributes
    ----------
    name, title : in the journal; in the report ("without the crop").
    learning : the learning that it puts to the test, a sentence for the report, or "".
    preprocessing : replaces these choices of the task's preprocessing.
    values : replaces these hyperparameters, if the winner has them; a training starts from random
        weights where "transfer" is set to "scratch".
    effect : "without" where the thing is taken away, "with" where it is put in place of the winner's.
    """

    name: str
    title: str
    learning: str = ""
    preprocessing: dict[str, Any] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    effect: str = "without"

    def applies(self, preprocessing: dict[str, Any], values: dict[str, Any]) -> bool:
        """Say whether it changes anything."""
        return any(preprocessing.get(k) != v for k, v in self.preprocessing.items()) or any(
            k in values and values[k] != v for k, v in self.values.items()
        )


NO_NORMALISATION = Ablation(
    "no_normalisation", "without normalisation", "normalisation helps", {"normalisation": "none"}
)
NO_TRANSFER = Ablation(
    "no_transfer", "from random weights", "transfer learning helps", values={"transfer": "scratch"}
)


def no_augmentation(strengths: Sequence[str]) -> Ablation:
    """An ablation that leaves training images as they are."""
    values = dict.fromkeys(strengths, 0.0)
    return Ablation("no_augmentation", "without augmentation", "augmentation helps", values=values)


class Task:
    """A question with its data, its protocol, its primary metric and its candidates.

    Attributes
    ----------
    name, title : the file's name; a line for reports.
    metric : the primary metric, a name that `bench.evaluate.metrics` knows.
    candidates, references : what is compared; references by name out of `bench.references`.
    training_space : the training hyperparameters that all candidates share.
    transfer_space : what candidates that do not start from random weights have beside it.
    augmentation : names of the variations of training images (`tuning.augment.STRENGTHS`); their
        strengths are training hyperparameters of the same names.
    presets : "smoke", "quick" and "full".
    preprocessing : choices that change what a network sees, JSON-ready.
    preprocessing_options : what PREPROCESS may change of these, and beyond them.
    ablations : what is switched, one at a time, in the best network.
    alone_classes, alone_samples : what `bench pretrain` tells apart, and from how many generated samples it
        learns, unless it is told otherwise; the network is then used as it is.
    reads_folders : whether DATA is a folder as `bench.data.folder` reads it.
    pretraining_values : training hyperparameters of `phantom` pretraining that differ from the defaults.
    """

    name: str
    title: str
    metric: str
    candidates: Sequence[Candidate]
    references: Sequence[str]
    training_space: TrainingSpace
    transfer_space: TrainingSpace = ()
    augmentation: tuple[str, ...]
    presets: dict[str, Preset]
    preprocessing: dict[str, Any]
    preprocessing_options: dict[str, Option] = {}  # noqa: RUF012
    ablations: Sequence[Ablation] = ()
    pretraining_values: dict[str, Any] = {}  # noqa: RUF012
    alone_classes: tuple[str, ...] = ()
    alone_samples = 0
    reads_folders = True

    def load(
        self, data: str | None, folder: Path, cache: Path, preprocessing: dict[str, Any] | None = None
    ) -> Path:
        """Bring the dataset into the cache, if it is not there.

        Parameters
        ----------
        data : the user's DATA, or None: a path, or `builtin` with options (`builtin:subjects=400,test=280`).
        folder : where `fetch` puts the task's real data; used if they are there and `data` is None.
        cache : folder of all cached datasets.
        preprocessing : the choices made, for what is done while files are read; None: the task's own.

        Returns
        -------
        The dataset's folder, for `bench.data.cache.open_cached`.

        Raises
        ------
        UserError : files that are missing or damaged, options that do not exist.
        """
        raise NotImplementedError

    def fetch(self, folder: Path, source: str | None = None) -> list[str]:
        """Download the task's public data into `folder`, or pretrained weights into Keras' cache.

        Returns
        -------
        What was done, a line each.
        """
        raise NotImplementedError

    def prepare(self, x: np.ndarray, preprocessing: dict[str, Any]) -> np.ndarray:
        """Turn stored samples `[n, ...]` into what a network sees; per sample, no statistics of others."""
        return x

    def code(self) -> str:
        """A digest of the code that `prepare` and `features` run; what other code has made is made anew."""
        return ""

    def features(self, name: str, x: np.ndarray, headers: list[dict[str, Any]]) -> np.ndarray:
        """Features `[n, f]` of stored samples `[n, ...]` for a reference that asks for them by name.

        Parameters
        ----------
        headers : facts of each sample's file; empty where there are none.
        """
        raise NotImplementedError

    def pretraining(self, classes: Sequence[str] | None = None, samples: int | None = None) -> Dataset:
        """Generated images for pretraining, as they are stored; made anew at each call.

        Parameters
        ----------
        classes, samples : names of the classes and number of images, if not the task's own choice.

        Raises
        ------
        UserError : the task has no generator, or not for these classes.
        """
        raise UserError(f"TASK={self.name}: found a task without generated images; expected spect or mri")

    def has_generator(self) -> bool:
        """Say whether there are generated images to pretrain on, and so `phantom` transfer."""
        return type(self).pretraining is not Task.pretraining

    def read(self, paths: Sequence[Path], preprocessing: dict[str, Any] | None = None) -> np.ndarray:
        """Read files or DICOM series folders as `load` would store them, float32 `[n, ...]`."""
        raise UserError(f"TASK={self.name}: found a task that reads no image files; expected spect or mri")


def builtin_options(data: str, defaults: dict[str, int]) -> dict[str, int]:
    """Parse `builtin:subjects=400,test=280`.

    Raises
    ------
    UserError : an option that is not among `defaults`, or a value that is not up to 18 digits from 0 to 9.
    """
    options = dict(defaults)
    _, _, text = data.partition(":")
    for part in filter(None, text.split(",")):
        name, _, value = part.partition("=")
        if name not in defaults or not re.fullmatch("[0-9]{1,18}", value):
            accepted = ", ".join(f"{key}=number" for key in defaults) or "no options"
            raise UserError(f"DATA={data}: found {part!r}; expected {accepted}")
        options[name] = int(value)
    return options


def is_builtin(data: str | None) -> bool:
    """Say whether DATA asks for builtin data by name."""
    return data is not None and data.split(":")[0] == "builtin"


def generated(cache: Path, name: str, options: dict[str, int], save: Callable[[Path], None]) -> Path:
    """The cache folder of a builtin dataset, which is made once for the same options and the same code.

    Parameters
    ----------
    save : makes the dataset and saves it in the folder that it is given.
    """
    key = hashlib.sha256(f"{sorted(options.items())}{generators_digest()}".encode()).hexdigest()[:12]
    return ensure(cache / f"{name}-{key}", save)


def store(dataset: Dataset, cache: Path) -> Path:
    """Put a dataset that was read into the cache; one that is there already and whole is left alone."""
    folder = cache / f"{dataset.name}-{dataset.fingerprint}"
    return ensure(folder, lambda target: save_dataset(dataset, target))


def code_of(stem: str) -> str:
    """A digest of the preprocessing and the feature extractors in the files whose names begin so."""
    folders = (FOLDER.parent / "data" / name for name in ("preprocess", "features"))
    return code_digest(path for folder in folders for path in sorted(folder.glob(f"{stem}*.py")))


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
