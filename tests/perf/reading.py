"""Volumes a second from NIfTI files to what networks see, against nibabel and SciPy written plainly."""

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import nibabel
import numpy as np
import pandas as pd
from scipy import ndimage

from bench import tasks
from bench.commands.load_dataset import load_dataset
from bench.data.processes import cores
from bench.worker import arrays
from tests.perf.memory import SHAPE, write_volumes


def measure(folder: Path, trials: int = 64, rounds: int = 3) -> Iterator[str | pd.DataFrame]:
    """Bring `trials` volumes into the form that networks see, by both ways in turns."""
    task = tasks.load("mri")
    write_volumes(folder / "volumes", trials)
    files = sorted((folder / "volumes").glob("*.nii"))
    shape = tuple(task.preprocessing["shape"])

    def plainly() -> None:
        np.stack([plain(file, shape) for file in files])

    def scanbench() -> None:
        cached = load_dataset(task, str(folder / "volumes"), folder, folder / "runs")
        arrays.prepared(str(cached), task.name, json.dumps(task.preprocessing, sort_keys=True))
        for cache in (arrays.dataset, arrays.prepared):
            cache.cache_clear()
        shutil.rmtree(folder / "runs")

    rates: dict[str, list[float]] = {"plain": [], "scanbench": []}
    for round_ in range(rounds):
        for call, found in ((plainly, rates["plain"]), (scanbench, rates["scanbench"]))[
            :: -1 if round_ % 2 else 1
        ]:
            started = time.perf_counter()
            call()
            found.append(trials / (time.perf_counter() - started))
    ratios = [b / a for a, b in zip(*rates.values(), strict=True)]
    yield (
        f"{trials} volumes of {'x'.join(map(str, SHAPE))}, NIfTI, int16, not compressed. Plainly: load, turn to "
        f"canonical axes, zoom to {'x'.join(map(str, shape))}, clip to percentiles, z-score, one process. "
        "scanbench: everything that `make bench` does to a folder (checks, hashes, head and brain found, cache "
        f"written), {cores()} processes to read."
    )
    yield pd.DataFrame(
        [
            {"way": "nibabel + SciPy", "volumes/s": f"{median(rates['plain']):.1f}", "ratio": ""},
            {
                "way": "scanbench",
                "volumes/s": f"{median(rates['scanbench']):.1f}",
                "ratio": f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
            },
        ]
    )


def plain(file: Path, shape: tuple[int, ...]) -> np.ndarray:
    """As a script would have it: float32 `[depth, height, width, 1]`."""
    volume = nibabel.as_closest_canonical(nibabel.load(file)).get_fdata(dtype=np.float32).transpose(2, 1, 0)
    volume = ndimage.zoom(volume, [to / have for to, have in zip(shape, volume.shape, strict=True)], order=1)
    low, high = np.percentile(volume[volume > 0], (1, 99))
    volume = np.clip((volume - low) / (high - low), 0, 1)
    return ((volume - volume.mean()) / volume.std())[..., None].astype(np.float32)
