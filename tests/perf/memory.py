"""Memory that a sweep over many large volumes takes: all of its processes together, at its peak."""

import csv
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import nibabel
import numpy as np
import psutil

from bench.data.generators.mri import Recipe, scan_subject
from tests.perf.watch import peak

SHAPE = (240, 240, 155)
_MIB = 2**20


def measure(folder: Path, trials: int = 1000) -> Iterator[str]:
    """Write `trials` volumes of 240x240x155 and sweep over them, all four approaches, smoke-sized."""
    started = time.monotonic()
    data = folder / "volumes"
    write_volumes(data, trials)
    size = sum(path.stat().st_size for path in data.iterdir())
    yield f"{trials} volumes of {'x'.join(map(str, SHAPE))}, {size / 2**30:.1f} GiB, written in " + _since(
        started
    )

    started = time.monotonic()
    words = [sys.executable, "-m", "bench", "bench", "mri", "--preset", "smoke", "--data", str(data)]
    words += [word for name in ("runs", "reports") for word in (f"--{name}", str(folder / name))]
    child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    with peak(lambda: _bytes_of(child.pid)) as largest:
        said = child.communicate()[0]
    if child.returncode:
        raise RuntimeError(f"status {child.returncode}; last words:\n{said[-2000:]}")
    yield f"command: {' '.join(words[1:7])} --data FOLDER"
    yield f"swept in {_since(started)}; at most {largest[0] / _MIB:.0f} MiB at any moment, all processes together"


def _bytes_of(pid: int) -> int:
    """Memory of a process and its children; what several map is counted once between them (Pss)."""
    total = 0
    with suppress(psutil.NoSuchProcess):  # the sweep has ended
        process = psutil.Process(pid)
        for each in (process, *process.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):  # one of its workers has
                total += each.memory_full_info().pss
    return total


def write_volumes(folder: Path, count: int) -> None:
    """Real-looking brains, a few of them many times over, each time with noise of its own in one slice."""
    folder.mkdir()
    brains = [_enlarged(index) for index in range(8)]
    rng = np.random.default_rng(0)
    with open(folder / "labels.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "label", "subject"])
        for number in range(count):
            label, volume = brains[number % len(brains)]
            volume[:, :, number % SHAPE[2]] = rng.integers(0, 4000, SHAPE[:2])
            nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), folder / f"{number:04d}.nii")
            table.writerow([f"{number:04d}.nii", label, f"subject-{number:04d}"])


def _enlarged(index: int) -> tuple[str, np.ndarray]:
    recipe = Recipe(seed=3)
    scan = scan_subject(recipe, index)
    volume = (scan.volume * (3000 / scan.volume.max())).astype(np.int16)
    volume = volume[:, ::-1, ::-1].transpose(2, 1, 0)  # as displayed, to x, y, z towards right, front, top
    places = [np.arange(to) * have // to for have, to in zip(volume.shape, SHAPE, strict=True)]
    return recipe.classes[scan.label], np.ascontiguousarray(volume[np.ix_(*places)])


def _since(started: float) -> str:
    return f"{time.monotonic() - started:.0f} s"
