"""What competes in a task, and how much work a sweep of it does."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import architectures

FROZEN = "-frozen"
TRANSFERS = ("phantom-frozen", "imagenet-frozen", "phantom", "imagenet")


@dataclass(frozen=True)
class Candidate:
    """What competes: an architecture and where its first weights come from."""

    architecture: str  # name of the file in `architectures/`, or the path of one elsewhere
    # "scratch": random weights, from the seed; "phantom": the same network first trained on the task's
    # generated images (`Task.pretraining`); "imagenet": weights of `keras.applications`. With "-frozen"
    # after either, nothing but the head ever learns (see `bench.worker.frozen`).
    transfer: str = "scratch"

    @property
    def source(self) -> str:
        """Where the first weights come from, frozen or not: "scratch", "phantom" or "imagenet"."""
        return self.transfer.removesuffix(FROZEN)

    @cached_property  # asked for often: it takes a path apart
    def name(self) -> str:
        """Name in journal, tables and the ARCH variable."""
        stem = architectures.file_of(self.architecture).stem
        return stem if self.transfer == "scratch" else f"{stem}-{self.transfer}"

    @property
    def reference(self) -> str:
        """As ARCH spells it: the name, or the path of a file elsewhere."""
        return self.name.replace(architectures.file_of(self.architecture).stem, self.architecture, 1)


@dataclass(frozen=True)
class Preset:
    """How much work a sweep does."""

    epochs: int  # of a full training; part of what a result means
    trials: int  # default of TRIALS
    seeds: int  # of SEEDS
    folds: int  # and of FOLDS
    measure_seconds: float  # for timing the inference of one model
    pretraining_epochs: int = 0  # of `phantom` transfer
    # Refits of each ablation, compared with all of the winner's; never more than SEEDS, which is also
    # what None means.
    ablation_seeds: int | None = None
    # Whether there are ablations, too, for which the winner must be pretrained anew.
    pretrains_ablations: bool = True
    # Epochs after which trials are judged, ascending, below `epochs`: the best of them go on, as many
    # as the epochs grow (of trials judged at 5 and 20 epochs, a quarter). Empty: all are trained in
    # full.
    judged_at: tuple[int, ...] = ()
    # Hyperparameters that this preset does not search, with their values: of the training, and structural
    # ones of all architectures that offer them (see `tuning.space.discover`).
    fixed: Mapping[str, Any] = field(default_factory=dict)
    # Whether the other structural hyperparameters are searched; where not, they keep the architecture's
    # defaults, and each worker traces each network once.
    searches_structure: bool = True
    runtimes: tuple[str, ...] = ("keras", "litert", "onnxruntime")  # in which inference is timed
    careful: bool = True  # whether inference is timed on all threads too, and memory and energy measured


PRESETS = ("smoke", "quick", "full")  # what every task has
# What the presets of all tasks have in common.
smoke = partial(Preset, trials=1, seeds=1, folds=1, measure_seconds=0.5, runtimes=("keras",), careful=False)
quick = partial(Preset, trials=8, seeds=3, folds=1, measure_seconds=1.0)
full = partial(Preset, trials=20, seeds=5, folds=1, measure_seconds=10.0)
