"""Does the ranking of inference times survive other load? `python -m tests.perf.stability [SECONDS]`.

Six small networks are measured twice, the second time with a busy loop in another process, and Kendall's
tau of the two rankings of batch-1 medians is printed. It should be at least 0.9.
"""

import multiprocessing
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers
from scipy.stats import kendalltau

from bench.measure.cost import Entry, measure_models

SECONDS = 10.0


def small_mlp() -> keras.Model:
    """256 inputs, one hidden layer of 32."""
    return keras.Sequential([keras.Input((256,)), layers.Dense(32, "relu"), layers.Dense(10)])


def large_mlp() -> keras.Model:
    """256 inputs, three hidden layers of 1024."""
    hidden = [layers.Dense(1024, "relu") for _ in range(3)]
    return keras.Sequential([keras.Input((256,)), *hidden, layers.Dense(10)])


def small_cnn() -> keras.Model:
    """16x16 images, two convolutions."""
    return _cnn((16, 16, 1), [8, 16])


def medium_cnn() -> keras.Model:
    """32x32 images, three convolutions."""
    return _cnn((32, 32, 1), [32, 64, 64])


def vgg_like() -> keras.Model:
    """64x64 images, the blocks of VGG16 (Simonyan and Zisserman, 2015) at half their width."""
    body: list[layers.Layer] = []
    for channels, repeats in ((32, 2), (64, 2), (128, 3), (256, 3), (256, 3)):
        body += [layers.Conv2D(channels, 3, padding="same", activation="relu") for _ in range(repeats)]
        body.append(layers.MaxPooling2D())
    return keras.Sequential([keras.Input((64, 64, 1)), *body, layers.Flatten(), layers.Dense(3)])


def small_conv_3d() -> keras.Model:
    """28x28x28 volumes, three 3D convolutions."""
    body: list[layers.Layer] = []
    for channels in (8, 16, 32):
        body += [layers.Conv3D(channels, 3, padding="same", activation="relu"), layers.MaxPooling3D()]
    return keras.Sequential([keras.Input((28, 28, 28, 1)), *body, layers.Flatten(), layers.Dense(2)])


MODELS = (small_mlp, large_mlp, small_cnn, medium_cnn, vgg_like, small_conv_3d)


def _cnn(shape: tuple[int, ...], channels: list[int]) -> keras.Model:
    body: list[layers.Layer] = []
    for count in channels:
        body += [layers.Conv2D(count, 3, padding="same", activation="relu"), layers.MaxPooling2D()]
    return keras.Sequential([keras.Input(shape), *body, layers.Flatten(), layers.Dense(10)])


def write_entries(folder: Path) -> list[Entry]:
    """Save the six networks, untrained, and random inputs for each."""
    entries = []
    for build in MODELS:
        model = build()
        name = build.__name__
        path, samples = folder / f"{name}.keras", folder / f"{name}.npy"
        model.save(path)
        x = np.random.default_rng(0).random((8, *model.input_shape[1:]), dtype=np.float32)
        np.save(samples, x)
        entries.append(Entry(name, str(path), str(samples)))
    return entries


@contextmanager
def busy_core() -> Iterator[None]:
    """Keep a core busy in another process while the block runs."""
    process = multiprocessing.get_context("spawn").Process(target=_spin, daemon=True)
    process.start()
    try:
        yield
    finally:
        process.terminate()
        process.join()


def _spin() -> None:
    while True:
        pass


def main(arguments: list[str]) -> None:
    """Measure, measure under load, compare."""
    seconds = float(arguments[0]) if arguments else SECONDS
    options: dict[str, Any] = {"seconds": seconds, "threads": (1,), "memory": False, "packages": ()}
    with tempfile.TemporaryDirectory(prefix="scanbench-") as folder:
        entries = write_entries(Path(folder))
        quiet = measure_models(entries, **options)
        with busy_core():
            loaded = measure_models(entries, **options)
    columns = [[costs[entry.name]["inference_ms"] for entry in entries] for costs in (quiet, loaded)]
    print(f"{'model':15} {'quiet ms':>10} {'loaded ms':>10} {'macs':>12}")
    for entry, first, second in zip(entries, *columns, strict=True):
        print(f"{entry.name:15} {first:10.3f} {second:10.3f} {quiet[entry.name]['macs']:12,}")
    for label, costs in (("quiet", quiet), ("loaded", loaded)):
        print(f"drift, {label}: {costs[entries[0].name]['machine_drift']:.2f}")
    print(f"Kendall's tau: {kendalltau(*columns).statistic:.3f}")


if __name__ == "__main__":
    main(sys.argv[1:])
