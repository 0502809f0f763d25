"""A user's folder of volumes, through the `mri` task: cached, and cut from the skull on demand."""

import nibabel
import numpy as np
import pytest

from bench import tasks
from bench.data.caches.cached_dataset import open_cached
from bench.errors import UserError

TASK = tasks.load("mri")


@pytest.fixture
def folder(tmp_path):
    """Heads of 2 mm: a brain, dark around it, and a bright scalp."""
    rng = np.random.default_rng(4)
    axes = np.meshgrid(*[np.arange(n) * 2.0 - (n - 1) for n in (90, 100, 70)], indexing="ij")
    radius = np.sqrt(sum((axis / size) ** 2 for axis, size in zip(axes, (60, 75, 50), strict=True)))
    head = 0.8 * (radius < 1) + 1.0 * ((radius > 1.15) & (radius < 1.22))
    for number in range(4):
        place = tmp_path / "study" / ("normal", "tumour")[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        noisy = (head + rng.normal(0, 0.02, head.shape)).astype(np.float32)
        affine = np.diag([2.0, 2.0, 2.0, 1.0])
        nibabel.save(nibabel.Nifti1Image(noisy, affine), place / f"subject-{number}.nii")
    return tmp_path / "study"


def test_the_skull_goes_on_demand(folder, tmp_path):
    cache = tmp_path / "cache"
    whole, cut = (
        open_cached(TASK.load(str(folder), tmp_path, cache, {**TASK.preprocessing, "brain_mask": mask}))
        for mask in (False, True)
    )
    assert whole.x.shape == cut.x.shape == (4, 48, 96, 96, 1)
    scalp = np.asarray(whole.x) > 0.9
    brain = np.abs(np.asarray(whole.x) - 0.8) < 0.05
    assert scalp.any()
    assert (np.asarray(cut.x)[scalp] > 0).mean() <= 0.02
    np.testing.assert_allclose(np.median(np.asarray(cut.x)[brain]), 0.8, atol=0.02)
    file = min(folder.rglob("*.nii"))
    np.testing.assert_array_equal(TASK.read([file], {"brain_mask": True})[0], cut.x[0])
    # What is prepared of it does not hang on how it was read.
    assert TASK.prepare(cut.x[:1], {**TASK.preprocessing, "brain_mask": True}).shape == (1, 14, 64, 64, 1)


def test_generated_brains_have_no_skull(tmp_path):
    with pytest.raises(UserError, match="PREPROCESS=brain_mask: found generated brains without a skull"):
        TASK.load(None, tmp_path, tmp_path / "cache", {**TASK.preprocessing, "brain_mask": True})


def test_medmnists_volumes_have_no_skull(tmp_path):
    file = tmp_path / "adrenalmnist3d.npz"
    with pytest.raises(UserError, match=r"PREPROCESS=brain_mask: found DATA=.*npz; expected DATA=folder"):
        TASK.load(str(file), tmp_path, tmp_path / "cache", {**TASK.preprocessing, "brain_mask": True})
