"""`make check` on users' folders: everything at once, before any training."""

import os
from typing import ClassVar

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from bench.commands.check import check
from bench.data.caches.cached_dataset import save_dataset
from bench.data.dataset import Dataset
from bench.data.folders.resampled_folder import build_cache
from bench.data.preprocess.grid import Grid


class _Task:
    """As far as a check asks."""

    name = reference = "own"
    preprocessing: ClassVar = {}
    reads_folders = True

    def load(self, data, folder, cache, preprocessing=None):
        return build_cache(data, Grid((8, 12, 12)), cache, name="own")


@pytest.fixture(autouse=True)
def _one_process(monkeypatch):
    monkeypatch.setattr("bench.data.folders.resampled_folder.cores", lambda: 1)


def _volume(seed):
    smooth = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(12, 12, 8)), 1.5)
    return (1000 * smooth / smooth.std()).astype(np.int16)


def _save(path, values, voxel_mm=1.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(values, np.diag([voxel_mm] * 3 + [1.0])), path)


@pytest.fixture
def sound(tmp_path):
    for number in range(24):
        _save(tmp_path / "data" / ("HC", "PD")[number % 2] / f"s{number}.nii", _volume(number))
    return tmp_path


def _check(folder):
    text, is_sound = check(_Task(), str(folder / "data"), folder, folder / "runs")
    return text.splitlines(), is_sound


def test_what_a_sound_folder_holds(sound):
    lines, is_sound = _check(sound)
    assert is_sound
    assert lines[0] == f"{sound / 'data'}: 24 scans of 24 subjects"
    for expected in (
        "  classes: HC (12), PD (12)",
        "  formats: nifti (24)",
        "  sizes: 8x12x12 (24)",
        "  voxel sizes in mm: 1x1x1 (24)",
        "  headers: RAS, 16 bits (24)",
    ):
        assert expected in lines
    assert not [line for line in lines if line.startswith(("problem", "warning"))]
    picture = Image.open(sound / "runs" / "check" / "own.png")
    assert f"  pictures: {sound / 'runs' / 'check' / 'own.png'}" in lines
    assert np.asarray(picture.convert("L")).std() > 10


def test_every_fault_is_said_at_once(sound):
    data = sound / "data"
    (data / "HC" / "s0.nii").write_bytes((data / "HC" / "s0.nii").read_bytes()[:700])
    (data / "HC" / "broken.png").write_bytes(b"no picture")
    Image.fromarray(_volume(50)[..., 0].astype(np.uint8)).save(data / "PD" / "flat.png")
    values = _volume(60).astype(np.float32)
    values[0, 0, 0] = np.nan
    _save(data / "PD" / "nan.nii", values)
    _save(data / "PD" / "constant.nii", np.full((12, 12, 8), 7, np.int16))
    _save(data / "PD" / "copy.nii", 2 * _volume(2) + 5)
    _save(data / "third" / "alone.nii", _volume(70))
    lines, is_sound = _check(sound)
    assert not is_sound
    problems = "\n".join(line for line in lines if line.startswith("problem"))
    for expected in (
        "s0.nii: found 700 bytes",
        "broken.png: found a damaged header",
        "class 'third': found 1 subjects to divide, expected at least 5",
    ):
        assert expected in problems
    warnings = "\n".join(line for line in lines if line.startswith("warning"))
    for expected in (
        "flat.png: found an image of 12x12, expected a volume as 27 of 28 are",
        "nan.nii: found 1 values that are not finite",
        "constant.nii: found one value everywhere",
        "1 pairs of near-identical images",
        "HC/s2 = PD/copy",
        "1 of these pairs have two labels",
    ):
        assert expected in warnings
    assert (sound / "runs" / "check" / "own.png").exists()


def test_labels_that_files_give_away(tmp_path):
    for number in range(40):
        label = number % 2
        values = _volume(number) + 5000
        values[[0, -1]] = 300 * label
        values[:, [0, -1]] = 300 * label
        _save(tmp_path / "data" / ("HC", "PD")[label] / f"s{number}.nii", values, voxel_mm=1.0 + 0.2 * label)
    lines, is_sound = _check(tmp_path)
    assert is_sound
    told = [line.split(" alone")[0] for line in lines if "alone predicts the label" in line]
    assert told == ["warning: the voxel size", "warning: the background"]


def test_leaks_across_an_official_split(tmp_path):
    for number in range(24):
        label, part = ("HC", "PD")[number % 2], "train" if number < 16 else "test"
        _save(tmp_path / "data" / part / label / f"s{number}.nii", _volume(number))
    _save(tmp_path / "data" / "test" / "HC" / "again.nii", _volume(0))
    lines, is_sound = _check(tmp_path)
    assert is_sound
    assert "  train (official split): HC (8), PD (8)" in lines
    assert "  test (official split): HC (5), PD (4)" in lines
    assert "warning: 1 of these pairs lie in two parts of the official split: it leaks" in lines


def test_images_without_a_row(sound):
    rows = [f"{label}/s{n},{label},s{n}" for n in range(24) for label in (("HC", "PD")[n % 2],)]
    rows = [row.replace(",", ".nii,", 1) for row in rows]
    (sound / "data" / "labels.csv").write_text("path,label,subject\n" + "\n".join(rows[:-1]) + "\n")
    lines, is_sound = _check(sound)
    assert is_sound
    assert any("labels.csv: 1 images of the folder have no row (PD/s23.nii)" in line for line in lines)


def test_a_subject_in_two_parts_is_a_problem_and_the_rest_is_said_all_the_same(sound):
    rows = [
        f"{('HC', 'PD')[n % 2]}/s{n}.nii,{('HC', 'PD')[n % 2]},s{n - n % 2},{'test' if n % 2 else 'train'}"
        for n in range(24)
    ]
    (sound / "data" / "labels.csv").write_text("path,label,subject,split\n" + "\n".join(rows) + "\n")
    lines, is_sound = _check(sound)
    assert not is_sound
    assert lines[0].endswith("24 scans of 12 subjects")
    assert any(line.startswith("problem:") and "test" in line and "train" in line for line in lines)


def test_a_task_of_ones_own_whose_split_shares_subjects_is_told_in_lines(tmp_path):
    class Leaky(_Task):
        reads_folders = False

        def load(self, data, folder, cache, preprocessing=None):
            x = np.random.default_rng(0).random((40, 6, 6, 1), np.float32)
            ids = np.repeat(np.arange(20), 2).astype(str)
            made = Dataset(
                "leaky",
                x,
                np.arange(40) // 2 % 2,
                ids,
                ("a", "b"),
                "0",
                "",
                official_test=np.arange(40) % 2 == 1,
            )
            save_dataset(made, cache / "leaky")
            return cache / "leaky"

    text, is_sound = check(Leaky(), None, tmp_path, tmp_path / "runs")
    assert not is_sound
    assert "problem: fold 0: subject 0 is in" in text
    assert "warning: 20 subjects are in several parts of the official split" in text


def test_a_class_too_small_for_five_parts_may_be_large_enough_for_sites(tmp_path):
    rows = ["path,label,subject,site"]
    for number in range(16):
        label, site = ("rare", "usual", "usual", "usual")[number % 4], "ab"[number // 8]
        _save(tmp_path / "data" / f"{number}.nii", _volume(number))
        rows.append(f"{number}.nii,{label},s{number},{site}")
    (tmp_path / "data" / "labels.csv").write_text("\n".join(rows))
    lines, is_sound = _check(tmp_path)
    assert is_sound
    (line,) = (line for line in lines if "expected at least 5" in line)
    assert line.startswith("warning: ")
    assert line.endswith("; FOLDS=sites can be had")
    (tmp_path / "data" / "labels.csv").write_text("\n".join(row.rpartition(",")[0] for row in rows))
    assert not _check(tmp_path)[1]


def test_class_names_are_no_formulas_and_may_not_be_bytes_of_another_encoding(sound):
    for old, new in (("HC", b"A $^$"), ("PD", b"M\xe4nner")):
        os.rename(sound / "data" / old, os.fsencode(sound / "data") + b"/" + new)
    lines, is_sound = _check(sound)
    assert not is_sound
    assert any("M?nner" in line and "UTF-8" in line for line in lines)
    assert len([line for line in lines if line.startswith("problem:")]) == 1
    os.rename(os.fsencode(sound / "data") + b"/M\xe4nner", sound / "data" / "PD")
    assert _check(sound)[1]
