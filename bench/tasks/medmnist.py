"""Any set of MedMNIST, with its own resolution, split and metrics."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.data.dataset import Dataset
from bench.data.sources import medmnist
from bench.errors import UserError
from bench.tasks.contract.any_data import AnyDataTask
from bench.tasks.contract.options import Choices


class MedMnist(AnyDataTask):
    """One file of MedMNIST v2 (Yang et al. 2023, Scientific Data 10:41), 2D or 3D, of one label an image.

    The official parts are those of the sweep: validation chooses, test is seen by the refits alone. AUC and
    accuracy are what MedMNIST's evaluator computes: the mean over classes of the area of each against the rest,
    and the share of samples whose most probable class is theirs, for ordinal sets too.
    """

    name = "medmnist"
    title = "MedMNIST"
    metric = "auc"
    reads_folders = False
    preprocessing = {"scaling": "grey values in [0, 1]"}
    sets = medmnist.names()

    def configured(self, data: str | None) -> "MedMnist":
        if data is None:
            return self
        n, *shape = medmnist.training_shape(Path(data))
        title = medmnist.set_of(Path(data).stem.lower()).get("title", Path(data).stem)
        return self.for_samples(n, shape, title=f"{title} of MedMNIST, {'x'.join(map(str, shape[:-1]))}")

    def load(self, data: str | None, folder: Path, cache: Path, preprocessing: Choices | None = None) -> Path:
        if data is None:
            raise UserError(
                "TASK=medmnist: found no DATA; expected DATA=file.npz (`make data TASK=medmnist "
                f"NAME=adrenalmnist3d` fetches {folder / 'adrenalmnist3d.npz'})"
            )
        return medmnist.cache_medmnist(data, cache)

    def read(self, paths: Sequence[Path], preprocessing: Choices | None = None) -> np.ndarray:
        """8-bit PNG, JPEG or `.npy`, all of one size, which nothing here changes."""
        images = [medmnist.read_image(path) for path in paths]
        for path, image in zip(paths, images, strict=True):
            if image.shape != images[0].shape:
                first, other = ("x".join(map(str, one.shape)) for one in (images[0], image))
                raise UserError(f"{path}: found {other}; expected {first}, as {paths[0]} has")
        return np.stack(images)

    def fetch(self, folder: Path, source: str | None = None, name: str = "") -> list[str]:
        return [medmnist.fetch(name, folder, source)]

    def published(self, dataset: Dataset) -> list[dict[str, Any]]:
        if dataset.details.get("file") == medmnist.NOT_OFFICIAL:
            return []
        rows = medmnist.set_of(dataset.name).get("published", {})
        return [{"title": title, "auc": auc, "accuracy": acc} for title, (auc, acc) in rows.items()]


task = MedMnist()
