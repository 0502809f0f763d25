"""What competes in a task, and how much work a sweep of it does."""

from dataclasses import dataclass

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
