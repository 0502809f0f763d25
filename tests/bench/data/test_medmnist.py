"""MedMNIST files: made ones, broken ones, and the real one where it is at hand."""

import os
from pathlib import Path

import numpy as np
import pytest

from bench import tasks
from bench.data.caches.cached_dataset import open_cached
from bench.data.sources.medmnist import cache_medmnist, load_medmnist
from bench.data.splits import folds
from bench.errors import UserError

REAL = Path(os.environ.get("BENCH_REAL_DATA", "../shared/data")) / "medmnist"


def _arrays(shape=(5, 5), n=(6, 3, 2)):
    rng = np.random.default_rng(0)
    arrays = {}
    for part, count in zip(("train", "val", "test"), n, strict=True):
        arrays[f"{part}_images"] = rng.integers(0, 256, (count, *shape), dtype=np.uint8)
        arrays[f"{part}_labels"] = (np.arange(count) % 2).astype(np.uint8)[:, None]
    return arrays


def _write(path, arrays):
    np.savez_compressed(path, **arrays)
    return path


@pytest.mark.parametrize("shape", [(5, 5), (5, 5, 3), (4, 5, 5), (4, 5, 5, 3)])
def test_grey_and_colour_in_two_and_three_dimensions(tmp_path, shape):
    arrays = _arrays(shape)
    dataset = load_medmnist(_write(tmp_path / "toymnist.npz", arrays))
    colour = shape[-1] == 3
    assert dataset.x.shape == (11, *shape) + (() if colour else (1,))
    np.testing.assert_array_equal(dataset.x[6:9].reshape(3, -1), arrays["val_images"].reshape(3, -1))
    assert dataset.official_validation.tolist() == [False] * 6 + [True] * 3 + [False] * 2
    assert dataset.official_test.tolist() == [False] * 9 + [True] * 2
    assert len(set(dataset.subjects)) == 11
    assert dataset.classes == ("0", "1")
    kept = open_cached(cache_medmnist(tmp_path / "toymnist.npz", tmp_path / "cache"))
    assert kept.x.dtype == np.float32
    np.testing.assert_allclose(kept.x, dataset.x / 255, rtol=1e-6)
    assert kept.fingerprint == dataset.fingerprint


def test_faults_are_the_users_errors(tmp_path):
    with pytest.raises(UserError, match="found no file"):
        load_medmnist(tmp_path / "none.npz")
    arrays = _arrays()
    missing = {name: array for name, array in arrays.items() if name != "val_labels"}
    with pytest.raises(UserError, match=r"found no val_labels\.npy"):
        load_medmnist(_write(tmp_path / "a.npz", missing))
    with pytest.raises(UserError, match="14 labels an image"):
        load_medmnist(_write(tmp_path / "b.npz", {**arrays, "train_labels": np.zeros((6, 14), np.uint8)}))
    with pytest.raises(UserError, match="train_labels"):
        load_medmnist(_write(tmp_path / "c.npz", {**arrays, "train_labels": np.zeros((5, 1), np.uint8)}))
    with pytest.raises(UserError, match="float64"):
        load_medmnist(_write(tmp_path / "d.npz", {**arrays, "test_images": np.zeros((2, 5, 5))}))
    with pytest.raises(UserError, match="one shape"):
        load_medmnist(_write(tmp_path / "e.npz", {**arrays, "test_images": np.zeros((2, 5, 6), np.uint8)}))
    for label in (2**64 - 1, 3 * 10**9):
        labels = np.array([0, 1, 0, 1, 0, label], np.uint64)
        with pytest.raises(UserError, match="expected a whole number from 0 to 9999"):
            load_medmnist(_write(tmp_path / "g.npz", {**arrays, "train_labels": labels}))
    file = _write(tmp_path / "f.npz", _arrays((40, 40)))
    content = bytearray(file.read_bytes())
    file.write_bytes(content[:-50])
    with pytest.raises(UserError, match="damaged"):
        load_medmnist(file)
    content[len(content) // 4] ^= 255
    file.write_bytes(content)
    with pytest.raises(UserError, match="damaged"):
        load_medmnist(file)
    file.write_text("rubbish")
    with pytest.raises(UserError, match="damaged"):
        load_medmnist(file)


@pytest.mark.skipif(not (REAL / "adrenalmnist3d.npz").exists(), reason=f"no adrenalmnist3d.npz in {REAL}")
def test_adrenalmnist3d_has_its_published_split():
    dataset = load_medmnist(REAL / "adrenalmnist3d.npz")
    assert dataset.x.shape == (1584, 28, 28, 28, 1)
    assert (dataset.x.min(), dataset.x.max()) == (0, 255)
    fold = folds(dataset, 1, seed=1)[0]
    assert [len(part) for part in (fold.train, fold.validation, fold.test)] == [1188, 98, 298]
    assert np.bincount(dataset.y[fold.train]).tolist() == [929, 259]
    assert dataset.classes == ("normal", "hyperplasia")


def test_volumes_are_a_dataset_of_the_mri_task(tmp_path):
    task = tasks.load("mri")
    file = _write(tmp_path / "toymnist3d.npz", _arrays((4, 5, 5)))
    dataset = open_cached(task.load(str(file), tmp_path, tmp_path / "cache"))
    assert dataset.x.shape == (11, 4, 5, 5, 1)
    assert task.prepare(dataset.x[:2], task.preprocessing).shape == (2, 14, 64, 64, 1)
    flat = _write(tmp_path / "toymnist.npz", _arrays((5, 5)))
    with pytest.raises(UserError, match=r"toymnist.npz: found images of 5x5x1, expected grey volumes"):
        task.load(str(flat), tmp_path, tmp_path / "cache")


@pytest.mark.skipif(not (REAL / "adrenalmnist3d.npz").is_file(), reason="no adrenalmnist3d.npz")
def test_real_masks_keep_their_shape_when_prepared(tmp_path):
    task = tasks.load("mri")
    dataset = open_cached(task.load(str(REAL / "adrenalmnist3d.npz"), tmp_path, tmp_path / "cache"))
    x = np.asarray(dataset.x[:20])
    for choices in ({}, {"crop": False}):
        prepared = task.prepare(x, {**task.preprocessing, **choices})
        assert np.isfinite(prepared).all()
        # Two values and the edges between them: where the gland is, and where it is not.
        share = [(volume > volume.mean()).mean() for volume in prepared]
        assert np.corrcoef(share, x.mean(axis=(1, 2, 3, 4)))[0, 1] > 0
        assert all(volume.std() > 0.05 for volume in prepared)
