"""What `images` and `volumes` share: the user's own folder, brought to one grid."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from bench.data.folders.folder import check_folder
from bench.data.folders.items import Item, in_order
from bench.data.folders.resampled_folder import build_cache, read_sample
from bench.data.formats import read
from bench.data.preprocess.any_image import NORMALISATIONS, normalise
from bench.data.preprocess.grid import Grid
from bench.errors import UserError
from bench.tasks.contract.any_data import AnyDataTask
from bench.tasks.contract.options import Choices, fraction, lengths, one_of
from bench.tasks.contract.plug_ins import find_candidates
from bench.tasks.contract.task_toml import FILE, read_task_toml

_LOOKED_AT = 5  # scans from which the size of the grid is taken


class FolderTask(AnyDataTask):
    """A folder of scans of any size and classes, each brought to one grid with its proportions kept."""

    metric = "balanced_accuracy"
    preprocessing_files = "any_image"
    axes: int  # of a sample: 2 for images, 3 for volumes
    longest: int  # side of the grid, at most, that is chosen from the data
    classes: tuple[str, ...] = ()  # in the order that the folder's own file says, if it does

    def configured(self, data: str | None) -> Self:
        folder = Path(data or "")
        if data is None or not folder.is_dir():
            return self
        items = check_folder(folder).items  # what is wrong with them, `load` says
        chosen = read_task_toml(folder, self.axes, in_order(item.label for item in items))
        preprocessing: Choices = {name: chosen.get(name, usual) for name, usual in self.preprocessing.items()}
        if "size" not in chosen:
            preprocessing["size"] = self._usual_size(items) or preprocessing["size"]
        preprocessing["crop"] = float(preprocessing["crop"])
        channels = 3 if preprocessing["colour"] else 1
        options = {
            name: replace(option, default=preprocessing[name])
            for name, option in self.preprocessing_options.items()
        }
        task = self.for_samples(
            len(items),
            (*preprocessing["size"], channels),
            preprocessing=preprocessing,
            preprocessing_options=options,
            **{name: chosen[name] for name in ("title", "metric", "classes") if name in chosen},
        )
        if "folds" in chosen:
            presets = {
                name: preset if name == "smoke" else replace(preset, folds=chosen["folds"])
                for name, preset in task.presets.items()
            }
            task = task.but(presets=presets)
        if "candidates" in chosen:
            names, variable = ",".join(chosen["candidates"]), f"{Path(data) / FILE}: candidates"
            task = task.but(candidates=find_candidates(names, task, variable))
        return task

    def _usual_size(self, items: Sequence[Item]) -> list[int] | None:
        """Sides of a grid with the usual proportions, no finer than the scans and no longer than `longest`.

        None where no scan can be read.
        """
        extents, finest = [], []
        for place in np.linspace(0, len(items) - 1, min(_LOOKED_AT, len(items))).round().astype(int):
            try:
                volume = read(items[place].path, items[place].kind)
            except UserError:
                continue
            if volume.array.ndim == self.axes:
                shape = volume.displayed().shape
                spacing = volume.displayed_spacing_mm() or (1.0,) * self.axes
                extents.append([n * mm for n, mm in zip(shape, spacing, strict=True)])
                finest.append(max(shape))
        if not extents:
            return None
        extent = np.median(extents, axis=0)
        side = min(self.longest, int(np.median(finest)))
        sizes = np.ceil(extent / extent.max() * side / 4) * 4
        return [int(n) for n in np.clip(sizes, 8, None)]

    def load(self, data: str | None, folder: Path, cache: Path, preprocessing: Choices | None = None) -> Path:
        if data is None:
            raise UserError(
                f"TASK={self.name}: found no DATA; expected DATA=folder with labels.csv or a folder a class, and "
                f"what is to be chosen in {FILE} there"
            )
        name = f"{self.name}-{Path(data).resolve().name}"
        return build_cache(data, self._grid(preprocessing), cache, name=name, classes=self.classes)

    def fetch(self, folder: Path, source: str | None = None, name: str = "") -> list[str]:
        raise UserError(
            f"TASK={self.name}: found a task of your own data; expected another, nothing is fetched"
        )

    def prepare(self, x: np.ndarray, preprocessing: Choices) -> np.ndarray:
        return normalise(x, preprocessing["normalisation"])

    def read(self, paths: Sequence[Path], preprocessing: Choices | None = None) -> np.ndarray:
        return np.stack([read_sample(path, None, self._grid(preprocessing))[0] for path in paths])

    def _grid(self, preprocessing: Choices | None) -> Grid:
        chosen = preprocessing or self.preprocessing
        return Grid(
            tuple(chosen["size"]), antialias=True, crop=float(chosen["crop"]), colours=bool(chosen["colour"])
        )


def options_of(preprocessing: Choices, least: int, most: int) -> dict[str, Any]:
    """What PREPROCESS may change of a folder task's choices."""
    return {
        "size": lengths(preprocessing["size"], least, most),
        "crop": fraction(preprocessing["crop"]),
        "normalisation": one_of(preprocessing["normalisation"], NORMALISATIONS),
    }
