"""A user's folder of SPECT images: volumes and pictures to striatal slices, classes in their order."""

import nibabel
import numpy as np
import pytest
from PIL import Image

from bench import tasks
from bench.data.caches.cached_dataset import open_cached
from bench.data.folders import spect_folder
from bench.data.generators import spect
from bench.errors import UserError


@pytest.fixture
def folder(tmp_path):
    """Two stages as NIfTI volumes of 2 mm whose slices are brighter the higher they lie."""
    images = spect.generate(spect.study(), 6, seed=2).x[..., 0]
    for number, image in enumerate(images):
        plane = image[::-1, ::-1].T
        volume = plane[:, :, None] * np.arange(1, 21, dtype=np.float32)
        stage = tmp_path / "study" / ("late", "early")[number % 2]
        stage.mkdir(parents=True, exist_ok=True)
        affine = np.diag([2.0, 2.0, 2.0, 1.0])
        nibabel.save(nibabel.Nifti1Image(volume, affine), stage / f"subject-{number}.nii.gz")
    return tmp_path / "study", images


def test_stages_keep_the_order_of_severity(folder):
    dataset = spect_folder.load(folder[0])
    assert dataset.classes == ("early", "late")
    assert dataset.x.shape == (6, 109, 91, 1)
    assert dataset.y.tolist() == [0, 0, 0, 1, 1, 1]
    assert "found by its uptake" in dataset.provenance


def test_the_slices_may_be_said(folder):
    path, images = folder
    dataset = spect_folder.load(path, (3, 6))
    assert "slices 3 to 6" in dataset.provenance
    # The mean of slices 3 to 6, which are 4 to 7 times as bright.
    np.testing.assert_allclose(dataset.x[0, ..., 0], 5.5 * images[1], rtol=1e-3, atol=1e-3)
    with pytest.raises(UserError, match=r"PREPROCESS=slices=15-20, expected a range within 0 to 19$"):
        spect_folder.load(path, (15, 20))


def test_the_task_takes_the_slices_from_its_preprocessing(folder, tmp_path):
    task = tasks.load("spect")
    found = [
        open_cached(task.load(str(folder[0]), tmp_path, tmp_path / "cache", {"slices": span}))
        for span in ([3, 6], [3, 3], None)
    ]
    assert len({dataset.fingerprint for dataset in found}) == 3
    with pytest.raises(UserError, match="PREPROCESS=slices: found generated data"):
        task.load(None, tmp_path, tmp_path / "cache", {"slices": [3, 6]})
    one = next(path for path in sorted(folder[0].rglob("*.nii.gz")))
    np.testing.assert_array_equal(task.read([one], {"slices": [3, 6]})[0], found[0].x[0])


def test_slices_with_a_header_are_not_turned_with_the_pictures(folder, tmp_path):
    images = folder[1]
    nibabel.save(
        nibabel.Nifti1Image(images[0][::-1, ::-1].T[..., None], np.diag([2.0, 2.0, 2.0, 1.0])),
        tmp_path / "a.nii",
    )
    files = [(tmp_path / "a.nii", None)]
    for number in range(1, 4):  # upside down
        np.save(tmp_path / f"{number}.npy", images[number][::-1, ::-1])
        files.append((tmp_path / f"{number}.npy", None))
    np.testing.assert_allclose(spect_folder.read_slices(files), images[:4], rtol=1e-5)


def test_pictures_without_a_header_are_turned_alike(tmp_path):
    images = spect.generate(spect.study(normal=True), 8, seed=5).x[..., 0]
    for number, image in enumerate(images):
        stage = tmp_path / ("normal", "patient")[number % 2]
        stage.mkdir(exist_ok=True)
        grey = np.uint8(255 * np.clip(image / image.max(), 0, 1))
        Image.fromarray(grey.T[::-1]).save(stage / f"{number}.png")
    dataset = spect_folder.load(tmp_path)
    order = np.argsort([number % 2 for number in range(8)], kind="stable")
    for found, image in zip(dataset.x[..., 0], images[order], strict=True):
        assert np.corrcoef(found.ravel(), image.ravel())[0, 1] > 0.99


def test_one_class_alone_and_a_file_are_named(tmp_path):
    (tmp_path / "late").mkdir()
    Image.fromarray(np.eye(109, 91, dtype=np.uint8)).save(tmp_path / "late" / "a.png")
    with pytest.raises(UserError, match=r"found only the label 'late', expected at least two classes$"):
        spect_folder.load(tmp_path)
    with pytest.raises(UserError, match=r"a.png: found a file; expected a folder"):
        spect_folder.load(tmp_path / "late" / "a.png")


def test_other_sites_and_class_names_are_other_data(tmp_path):
    images = spect.generate(spect.study(), 4, seed=2).x[..., 0]
    for number, image in enumerate(images):
        np.save(tmp_path / f"{number}.npy", image)
    found = set()
    for header, sites, classes in (
        ("path,label,subject", ("", ""), "ab"),
        ("path,label,subject,site", (",A", ",B"), "ab"),
        ("path,label,subject,site", (",A", ",C"), "ab"),
        ("path,label,subject", ("", ""), "xy"),
    ):
        rows = [f"{n}.npy,{classes[n % 2]},s{n}{sites[n // 2]}" for n in range(4)]
        (tmp_path / "labels.csv").write_text("\n".join([header, *rows]) + "\n")
        found.add(spect_folder.load(tmp_path).fingerprint)
    assert len(found) == 4
