"""Whole commands side by side, in turns: a plain KerasTuner script (a) and scanbench (b)."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from tests.perf.comparison import FROZEN, Comparison, Sizes


def _compared(folder: Path, several: list[Sizes]) -> Iterator[str | pd.DataFrame]:
    comparisons = []
    for sizes in several:
        comparison = Comparison(folder / sizes.task, sizes)
        comparison.run()
        comparisons.append(comparison)
    yield pd.DataFrame([comparison.row() for comparison in comparisons])
    yield "On test subjects, in the last round:"
    yield pd.DataFrame([row for comparison in comparisons for row in comparison.accuracy_rows()])


_WHAT = (
    "(a) is `tests/perf/plain_search.py`, a plain KerasTuner script; (b) is the whole command, `python -m bench "
    "bench TASK --no-ablations`, references, timing and report included. Both begin with the dataset as it was "
    "read; (a) is handed the preprocessed arrays besides, and does not augment; on volumes it goes without XLA, "
    "which Keras turns on and which makes steps of 3D networks several times slower on a processor. Medians over "
    "rounds in turns, in brackets the range."
)


def whole(
    folder: Path,
    task: str = "digits,spect,mri",
    preset: str = "quick",
    arch: str | None = None,
    trials: int | None = None,
    seeds: int | None = None,
    folds: int = 1,
    rounds: int = 3,
    workers: int | None = None,
    data: str | None = None,
) -> Iterator[str | pd.DataFrame]:
    """Whole commands on each task, all candidates that start from random weights."""
    yield _WHAT
    yield from _compared(
        folder,
        [Sizes(name, preset, arch, trials, seeds, folds, rounds, workers, data) for name in task.split(",")],
    )


def accuracy(
    folder: Path,
    task: str = "digits,spect,mri",
    preset: str = "quick",
    arch: str | None = None,
    trials: int | None = None,
    seeds: int = 10,
    data: str | None = None,
) -> Iterator[str | pd.DataFrame]:
    """Mean test accuracy over ten seeds, one round."""
    yield _WHAT
    yield from _compared(
        folder, [Sizes(name, preset, arch, trials, seeds, 1, 1, None, data) for name in task.split(",")]
    )


def refits(
    folder: Path,
    preset: str = "quick",
    arch: str = "resnet50_3d",
    seeds: int = 25,
    rounds: int = 3,
    data: str | None = None,
) -> Iterator[str | pd.DataFrame]:
    """One network alone, one trial and many refits: a kept program against fresh models."""
    yield _WHAT
    yield from _compared(folder, [Sizes("mri", preset, arch, 1, seeds, 1, rounds, None, data)])


def frozen(
    folder: Path,
    preset: str = "quick",
    trials: int = 10,
    seeds: int | None = None,
    rounds: int = 3,
    weights: str | None = None,
    data: str | None = None,
) -> Iterator[str | pd.DataFrame]:
    """A search of the head of a full-width VGG16 whose backbone stays as it is."""
    yield _WHAT
    if weights is None:
        weights = str(_random_weights(folder))
        yield "The backbone's weights are random ones in the original's form: the time does not hang on them."
    yield from _compared(
        folder, [Sizes("spect", preset, "vgg16" + FROZEN, trials, seeds, 1, rounds, None, data, weights)]
    )


def _random_weights(folder: Path) -> Path:
    """A file of the form of `keras.applications.VGG16`, for a machine that has none."""
    import h5py
    import keras

    from architectures._imagenet_files import FILES

    model = keras.applications.VGG16(weights=None, include_top=False, pooling="avg", input_shape=(64, 64, 3))
    (folder / "weights").mkdir(parents=True)
    with h5py.File(folder / "weights" / FILES["vgg16"], "w") as file:
        for layer in model.layers:
            group = file.create_group(layer.name)
            names = [f"{layer.name}/{weight.name}:0" for weight in layer.weights]
            group.attrs["weight_names"] = np.array(names, "S")
            for name, value in zip(names, layer.get_weights(), strict=True):
                group[name] = value
    return folder / "weights"
