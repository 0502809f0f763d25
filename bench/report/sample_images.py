"""Images of the dataset as the networks see them, for the figures; read from the cache beside the run folder."""

import contextlib
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bench import tasks
from bench.data.caches.cached_dataset import DamagedCacheError, open_cached
from bench.data.dataset import Dataset
from bench.report.run_results import Entry, Source

MOST_CLASSES = 12  # of which samples are shown


@dataclass(frozen=True)
class Images:
    """A dataset with the preprocessing of its task."""

    dataset: Dataset
    task: str
    preprocessing: dict

    def picture(self, index: int) -> np.ndarray | None:
        """One sample as a network sees it: `[height, width]` or `[height, width, 3]`.

        Of a volume slices at a quarter, at half and at three quarters of its depth, one below the other. None
        for samples that are not images.
        """
        sample = np.asarray(self.dataset.x[index : index + 1], np.float32)
        with contextlib.suppress(Exception):  # its file is elsewhere, or another by now: shown as stored
            sample = tasks.load(self.task).prepare(sample, self.preprocessing)
        image = np.asarray(sample)[0]
        if image.ndim == 4:
            image = np.concatenate([image[len(image) * quarter // 4] for quarter in (1, 2, 3)])
        if image.ndim != 3:
            return None
        return image if image.shape[-1] == 3 else image.mean(axis=-1)

    def of_class(self, label: int, number: int) -> np.ndarray:
        """Indices of up to `number` samples of a class, spread evenly over the dataset."""
        members = np.flatnonzero(self.dataset.y == label)
        if len(members) <= number:
            return members
        return members[np.linspace(0, len(members) - 1, number).round().astype(int)]


def open_images(source: Source) -> Images | None:
    """Open the dataset that a sweep used; None where it is no longer there, or is another by now."""
    recorded = source.sweep["dataset"]
    try:
        dataset = open_cached(source.folder / recorded["folder"])
    except (DamagedCacheError, OSError, KeyError):
        return None
    if dataset.fingerprint != recorded["fingerprint"] or len(dataset.x) == 0:
        return None
    return Images(
        dataset, source.plan.get("task", source.task), source.sweep["identity"].get("preprocessing", {})
    )


def hardest(entries: list[Entry], number: int) -> pd.DataFrame:
    """Find the test images whose true class gets the lowest probability, over the trainings of `entries`.

    Returns a frame, hardest first: `sample` (its index in the dataset), `truth` and `told` (the true class and the
    one of the highest mean probability), `probability` (of the true class, mean over all trainings that tested it).
    """
    refits = pd.concat([entry.refits for entry in entries])
    refits = refits[refits.run.notna() & refits.indices.notna()]
    if refits.empty:
        return pd.DataFrame()
    samples, position = np.unique(np.concatenate(refits["indices"].tolist()), return_inverse=True)
    probabilities = np.concatenate([run.probabilities for run in refits.run])
    truth = np.zeros(len(samples), int)
    truth[position] = np.concatenate([run.y for run in refits.run])
    sums = [np.bincount(position, column, len(samples)) for column in probabilities.T]
    means = np.stack(sums, axis=1) / np.bincount(position)[:, None]
    found = {"sample": samples, "truth": truth, "told": means.argmax(axis=1)}
    found["probability"] = means[np.arange(len(samples)), truth]
    return pd.DataFrame(found).sort_values("probability", kind="stable").head(number)
