"""Datasets on disk: round trips, damage, and builds that were killed."""

import dataclasses
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from unittest import mock

import nibabel as nib
import numpy as np
import pytest

from bench.data.caches.cached_dataset import (
    DamagedCacheError,
    ensure,
    open_cached,
    open_headers,
    save_dataset,
)
from bench.data.caches.content_hashes import hash_all
from bench.data.dataset import Dataset
from bench.data.folders import resampled_folder
from bench.data.folders.resampled_folder import build_cache
from bench.data.formats import read
from bench.data.preprocess.grid import Grid, to_grid
from bench.errors import UserError

GRID = Grid((4, 6, 5))
RESAMPLE_ONE = resampled_folder._resample_one


def _dataset(n=7):
    rng = np.random.default_rng(1)
    return Dataset(
        name="toy",
        x=rng.normal(size=(n, 4, 3, 1)).astype(np.float32),
        y=np.arange(n, dtype=np.int64) % 2,
        subjects=np.array([f"subject-{index}ü" for index in range(n)], dtype=object),
        classes=("normal", "tumour, large"),
        fingerprint="0123456789abcdef",
        provenance="Made here; “quoted”.",
        sites=np.array(["A", "B"] * n)[:n],
        official_test=np.arange(n) > 4,
        official_validation=np.arange(n) == 4,
        stand_in=True,
        details={"voxel": "2 mm"},
    )


def test_every_field_makes_the_round_trip(tmp_path):
    dataset = _dataset()
    save_dataset(dataset, tmp_path / "toy", headers=[{"bits": 8.0}] * 7)
    found = open_cached(tmp_path / "toy")
    for field in dataclasses.fields(Dataset):
        before, after = getattr(dataset, field.name), getattr(found, field.name)
        if isinstance(before, np.ndarray):
            np.testing.assert_array_equal(before, after, err_msg=field.name)
        else:
            assert before == after, field.name
    assert isinstance(found.x, np.memmap)
    assert not found.x.flags.writeable
    assert open_headers(tmp_path / "toy") == [{"bits": 8.0}] * 7
    assert sorted(path.name for path in tmp_path.iterdir()) == [".writing.lock", "toy"]


def test_fields_that_are_none_stay_none(tmp_path):
    dataset = dataclasses.replace(_dataset(), sites=None, official_test=None, official_validation=None)
    save_dataset(dataset, tmp_path / "toy")
    found = open_cached(tmp_path / "toy")
    assert found.sites is None
    assert found.official_test is None
    assert open_headers(tmp_path / "toy") == []


def test_saving_again_replaces_and_an_open_map_stays_valid(tmp_path):
    save_dataset(_dataset(), tmp_path / "toy")
    old = open_cached(tmp_path / "toy")
    save_dataset(_dataset(3), tmp_path / "toy")
    assert len(open_cached(tmp_path / "toy").x) == 3
    np.testing.assert_array_equal(old.x, _dataset().x)


@pytest.mark.parametrize("name", ["x.npy", "arrays.npz", "meta.json"])
@pytest.mark.parametrize("how", ["cut", "flip", "gone"])
def test_damage_is_noticed_and_mended(tmp_path, name, how, capsys):
    save_dataset(_dataset(), tmp_path / "toy")
    file = tmp_path / "toy" / name
    content = bytearray(file.read_bytes())
    if how == "gone":
        file.unlink()
    elif how == "cut":
        file.write_bytes(content[:-20])
    else:
        content[-100] ^= 1
        file.write_bytes(content)
        os.utime(file, ns=(1, 1))  # clocks of file systems may be coarse
    with pytest.raises(DamagedCacheError, match=name):
        open_cached(tmp_path / "toy")
    for _ in range(2):  # the second time there is nothing to do
        folder = ensure(tmp_path / "toy", lambda target: save_dataset(_dataset(), target))
        np.testing.assert_array_equal(open_cached(folder).x, _dataset().x)
    said = capsys.readouterr().err
    assert said.startswith("damaged, and made again: ")
    assert said.count("\n") == 1
    assert name in said


def test_what_is_not_there_is_made_without_a_word(tmp_path, capsys):
    ensure(tmp_path / "toy", lambda target: save_dataset(_dataset(), target))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("damaged", [False, True])
def test_what_several_want_at_once_is_made_once(tmp_path, damaged, capsys):
    folder, together, saved = tmp_path / "toy", Barrier(8), []
    if damaged:
        save_dataset(_dataset(), folder)
        (folder / "arrays.npz").unlink()

    def save(target):
        saved.append(target)
        save_dataset(_dataset(), target)

    def use(_):
        together.wait()
        return open_cached(ensure(folder, save)).x

    with ThreadPoolExecutor(8) as pool:
        for x in pool.map(use, range(8)):
            np.testing.assert_array_equal(x, _dataset().x)
    assert saved == [folder]
    assert capsys.readouterr().err.count("made again") == damaged


def test_a_whole_cache_without_write_permission_is_used(tmp_path, monkeypatch):
    save_dataset(_dataset(), tmp_path / "toy")

    def refuse(file):
        raise PermissionError(str(file))

    monkeypatch.setattr("bench.data.caches.cached_dataset.FileLock", refuse)
    assert ensure(tmp_path / "toy", save=None) == tmp_path / "toy"


def test_a_copied_folder_is_checked_once_and_then_trusted(tmp_path):
    save_dataset(_dataset(), tmp_path / "toy")
    os.utime(tmp_path / "toy" / "x.npy", ns=(1, 1))
    open_cached(tmp_path / "toy")
    assert json.loads((tmp_path / "toy" / "checked.json").read_text())["x_mtime_ns"] == 1


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(2)
    data = tmp_path / "data"
    for index in range(6):
        label = ("normal", "tumour")[index % 2]
        (data / label).mkdir(parents=True, exist_ok=True)
        array = rng.normal(size=(7, 9, 5 + index)).astype(np.float32)
        nib.save(nib.Nifti1Image(array, np.diag([-1.0, 1.0, 2.0, 1.0])), data / label / f"{index}.nii.gz")
    return data


def _build(folder, tmp_path, grid=GRID, jobs=1):
    with mock.patch.object(resampled_folder, "cores", return_value=jobs):
        return build_cache(folder, grid, tmp_path / "cache", name="mri")


def test_build_gives_what_reading_and_resampling_give(folder, tmp_path):
    where = _build(folder, tmp_path)
    dataset, headers = open_cached(where), open_headers(where)
    assert dataset.x.shape == (6, 4, 6, 5, 1)
    for index, subject in enumerate(dataset.subjects):
        file = folder / f"{subject}.nii.gz"
        np.testing.assert_array_equal(dataset.x[index], to_grid(read(file), GRID, file))
        assert dataset.classes[dataset.y[index]] == str(subject).split("/")[0]
        assert headers[index]["stored_k"] == nib.load(file).shape[2]
    assert not list((tmp_path / "cache").glob("*.building"))


def test_processes_give_the_same_as_one(folder, tmp_path):
    one = open_cached(_build(folder, tmp_path / "one"))
    two = open_cached(_build(folder, tmp_path / "two", jobs=2))
    np.testing.assert_array_equal(one.x, two.x)
    assert one.fingerprint == two.fingerprint


def test_keys_follow_content_labels_and_settings_not_time(folder, tmp_path, monkeypatch):
    first = _build(folder, tmp_path)
    file = folder / "normal" / "0.nii.gz"
    os.utime(file, ns=(10**18, 10**18))
    monkeypatch.setattr(resampled_folder, "_resample_one", lambda *_: pytest.fail("made again"))
    assert _build(folder, tmp_path) == first
    monkeypatch.undo()
    assert _build(folder, tmp_path, grid=Grid((4, 6, 5), antialias=True)) != first
    nib.save(nib.Nifti1Image(np.ones((3, 3, 3), np.float32), np.eye(4)), file)
    assert _build(folder, tmp_path) != first


def test_a_killed_build_goes_on_from_what_it_finished(folder, tmp_path, monkeypatch):
    expected = open_cached(_build(folder, tmp_path / "whole"))
    resample_one, calls = resampled_folder._resample_one, []

    def die_at_fourth(index, *more):
        if len(calls) == 3:
            raise KeyboardInterrupt
        calls.append(index)
        return resample_one(index, *more)

    monkeypatch.setattr(resampled_folder, "_resample_one", die_at_fourth)
    with pytest.raises(KeyboardInterrupt):
        _build(folder, tmp_path)
    building = next((tmp_path / "cache").glob(".mri-*.building"))
    with (building / "done").open("a") as file:
        file.write("[3, 12")  # torn
    content = bytearray((building / "x.npy").read_bytes())
    content[128] ^= 1  # the first sample never reached the disk
    (building / "x.npy").write_bytes(content)
    again = []
    monkeypatch.setattr(
        resampled_folder,
        "_resample_one",
        lambda index, *more: again.append(index) or resample_one(index, *more),
    )
    where = _build(folder, tmp_path)
    assert again == [0, 3, 4, 5]
    np.testing.assert_array_equal(open_cached(where).x, expected.x)


def test_a_build_that_was_killed_before_its_file_had_a_header_begins_anew(folder, tmp_path, monkeypatch):
    expected = open_cached(_build(folder, tmp_path / "whole"))
    monkeypatch.setattr(resampled_folder, "_resample_one", mock.MagicMock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        _build(folder, tmp_path)
    monkeypatch.undo()
    building = next((tmp_path / "cache").glob(".mri-*.building"))
    (building / "x.npy").write_bytes(b"")
    np.testing.assert_array_equal(open_cached(_build(folder, tmp_path)).x, expected.x)


def die_at_third(index, *more):
    if index == 2:
        os._exit(9)
    return RESAMPLE_ONE(index, *more)


def test_a_process_of_a_build_that_is_killed_is_one_clear_line(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(resampled_folder, "_resample_one", die_at_third)
    with pytest.raises(UserError) as caught:
        _build(folder, tmp_path, jobs=2)
    assert str(caught.value) == (
        "Reading scans (those finished are kept): found one of 2 processes killed, expected enough memory "
        "for all of them"
    )
    monkeypatch.undo()
    assert len(open_cached(_build(folder, tmp_path, jobs=2)).x) == 6


def test_a_damaged_build_is_made_again(folder, tmp_path):
    where = _build(folder, tmp_path)
    expected = np.array(open_cached(where).x)
    (where / "x.npy").write_bytes(b"x" * (where / "x.npy").stat().st_size)
    assert _build(folder, tmp_path) == where
    np.testing.assert_array_equal(open_cached(where).x, expected)


def test_users_errors_name_the_file(folder, tmp_path):
    file = folder / "tumour" / "3.nii.gz"
    content = file.read_bytes()
    file.write_bytes(content[: len(content) * 2 // 3])
    for jobs in (1, 2):
        with pytest.raises(UserError, match=r"3\.nii\.gz"):
            _build(folder, tmp_path, jobs=jobs)
    file.write_bytes((folder / "normal" / "0.nii.gz").read_bytes())
    with pytest.raises(UserError, match="the very content"):
        _build(folder, tmp_path)


def test_hashes_are_remembered_until_a_file_changes(tmp_path, monkeypatch):
    file = tmp_path / "a.bin"
    file.write_bytes(b"one")
    os.utime(file, ns=(10**18, 10**18))
    later = time.time_ns() + 10**10
    monkeypatch.setattr("time.time_ns", lambda: later)
    digest = hash_all([file], tmp_path / "h.json")
    with monkeypatch.context() as patched:
        patched.setattr("hashlib.file_digest", lambda *_: pytest.fail("read again"))
        assert hash_all([file], tmp_path / "h.json") == digest
    time.sleep(0.02)  # more than a tick of the file system's clock
    file.write_bytes(b"two")
    os.utime(file, ns=(10**18, 10**18))  # as a copy that keeps times has it
    assert hash_all([file], tmp_path / "h.json") != digest
    (tmp_path / "h.json").write_text("{torn")
    assert len(hash_all([file], tmp_path / "h.json")) == 1
