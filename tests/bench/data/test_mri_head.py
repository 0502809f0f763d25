"""A head gives the same sample, whatever a pipeline did to its intensities and wherever it lies."""

import nibabel
import numpy as np
import pytest
from scipy import ndimage

from bench import tasks
from bench.data.formats import Volume, from_display, read, to_display
from bench.data.preprocess.grid import Grid, to_grid
from bench.data.preprocess.mri_head import background_at_zero, head_offsets

TASK = tasks.load("mri")
GRID = tasks.mri._GRID
MM = (3.0, 3.0, 3.0)


def ellipsoid(shape, centre, radii) -> np.ndarray:
    """Squared distance from the centre in radii; below 1 inside."""
    axes = np.indices(shape).astype(float)
    return sum(
        ((axis - middle) / radius) ** 2 for axis, middle, radius in zip(axes, centre, radii, strict=True)
    )


def head(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A brain with folds in the noise of the air, 150x210x180 mm, and where it is; noise is never below 0."""
    rng = np.random.default_rng(seed)
    shape = (50, 70, 60)
    distance = ellipsoid(shape, (25, 35, 30), (21, 30, 25))
    folds = ndimage.gaussian_filter(rng.normal(size=shape), 1.5)
    tissue = np.select([distance < 0.5, distance < 0.8], [700.0, 480.0], 160.0) + 900 * folds
    signal = np.where(distance < 1, np.maximum(tissue, 5.0), 0.0)
    noisy = np.hypot(signal + rng.normal(0, 8, shape), rng.normal(0, 8, shape))
    return noisy.astype(np.float32), distance < 1


def sample(volume: np.ndarray, spacing=MM, grid: Grid = GRID) -> np.ndarray:
    return to_grid(Volume(np.ascontiguousarray(from_display(volume)), spacing[::-1]), grid, "v")


def seen(volume: np.ndarray, **choices) -> np.ndarray:
    """What a network sees of it."""
    return TASK.prepare(sample(volume)[None], {**TASK.preprocessing, **choices})[0]


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


@pytest.mark.parametrize(("factor", "shift"), [(1, -1000), (1 / 150, -3.7), (0.5, 4000), (20, -3)])
def test_a_padded_volume_may_be_scaled_and_shifted(factor, shift) -> None:
    volume, _ = head()
    moved = (factor * volume + shift).astype(np.float32)
    np.testing.assert_allclose(seen(moved), seen(volume), atol=0.02)
    np.testing.assert_allclose(seen(moved, crop=False), seen(volume, crop=False), atol=0.02)


@pytest.mark.parametrize(("factor", "shift"), [(1, -1000), (1 / 150, -3.7), (0.5, 4000), (20, -3)])
def test_a_stripped_volume_may_be_scaled_and_shifted(factor, shift) -> None:
    volume, brain = head()
    stripped = np.where(brain, volume, 0)
    moved = (factor * stripped + shift).astype(np.float32)
    np.testing.assert_allclose(seen(moved), seen(stripped), atol=0.02)


def nifti(folder, volume: np.ndarray) -> np.ndarray:
    """Read a volume as the task does."""
    image = nibabel.Nifti1Image(np.ascontiguousarray(from_display(volume)), np.diag([*MM, 1.0]))
    nibabel.save(image, folder / "v.nii")
    return TASK.prepare(TASK.read([folder / "v.nii"]), TASK.preprocessing)[0]


@pytest.mark.parametrize("outside", [0.0, np.nan, -10.0, "the mean"])
def test_a_brain_normalised_within_its_mask_is_that_of_the_raw_file(tmp_path, outside) -> None:
    volume, brain = head()
    raw = nifti(tmp_path, np.where(brain, volume, np.float32(0)))
    scored = (volume - volume[brain].mean()) / volume[brain].std() + 0.3
    value = 0.3 if outside == "the mean" else outside
    result = nifti(tmp_path, np.where(brain, scored, value).astype(np.float32))
    assert correlation(result, raw) > 0.98
    mean = np.where(brain, scored, scored[brain].min()).astype(np.float32)
    np.testing.assert_allclose(result, nifti(tmp_path, mean), atol=0.05)


def test_nan_outside_of_the_brain_may_come_with_any_scale(tmp_path) -> None:
    volume, brain = head()
    masked = np.where(brain, volume, np.float32(np.nan))
    plain = nifti(tmp_path, masked)
    for factor, shift in ((1 / 150, -3.7), (1, -2000), (1, 3000)):
        moved = nifti(tmp_path, (factor * masked + shift).astype(np.float32))
        assert correlation(moved, plain) > 0.98


def test_nan_becomes_0_unless_0_is_tissue(tmp_path) -> None:
    ramp = np.linspace(-4, 4, 1000, dtype=np.float32).reshape(10, 10, 10)
    for volume, expected in ((ramp, -4), (ramp + 4, 0), (ramp + 3.9, 0), (ramp + 9, 0)):
        holed = volume.copy()
        holed[5, 5, 5] = np.nan
        np.save(tmp_path / "v.npy", holed)
        filled = to_display(read(tmp_path / "v.npy").array)[5, 5, 5]
        assert filled == pytest.approx(expected, abs=0.02)


def test_zeros_that_a_registration_added_to_a_normalised_head_are_dark() -> None:
    volume, _ = head()
    scored = (volume - volume.mean()) / volume.std()
    padded = np.pad(scored, ((8, 8), (0, 0), (0, 0)))
    assert (padded == 0).mean() > 0.2
    result = sample(padded)[..., 0]
    assert result[:4].max() == result[-4:].max() == 0
    assert correlation(seen(padded), seen(np.pad(volume, ((8, 8), (0, 0), (0, 0))))) > 0.99


def test_voxels_of_the_brain_that_have_the_value_of_the_background_stay() -> None:
    volume, brain = head()
    scored = np.where(brain, np.round(10 * (volume - volume[brain].mean()) / volume[brain].std()), 0)
    inside = ndimage.binary_erosion(brain, iterations=3) & (scored == 0)
    assert inside.sum() > 0.02 * brain.sum()
    assert (background_at_zero(scored.astype(np.float32))[inside] > 0).all()


def test_one_stray_voxel_does_not_become_the_background() -> None:
    volume, _ = head()
    scored = ((volume - volume.mean()) / volume.std()).astype(np.float32)
    stray = scored.copy()
    stray[3, 3, 3] = -5000
    assert correlation(seen(stray), seen(scored)) > 0.9999


def test_raw_volumes_stay_bit_for_bit() -> None:
    volume, brain = head()
    few_bits = np.round(volume / 8).astype(np.float32)  # 1 is the most common value of the air, not 0
    ringing = volume - np.float32(0.01 * volume.max()) * (volume < 10)
    for raw in (volume, np.where(brain, volume, np.float32(0)), few_bits, ringing):
        assert background_at_zero(raw) is raw
        spacing = (3.0, 3.0, 3.0)
        plain = Grid(GRID.shape, GRID.voxel_mm, antialias=True)
        np.testing.assert_array_equal(sample(raw, spacing), sample(raw, spacing, plain))


def test_flat_and_saturated_volumes_stay() -> None:
    for value in (-3.0, 0.0, 5.0):
        flat = np.full((6, 7, 8), value, np.float32)
        assert background_at_zero(flat) is flat
    volume, brain = head()
    saturated = np.minimum(volume, np.percentile(volume, 70))
    assert (saturated == saturated.max()).mean() > 0.2
    assert background_at_zero(saturated) is saturated
    two = brain.astype(np.float32)
    assert background_at_zero(two) is two


def sagittal(top_mm: float, noise: float = 6.0) -> tuple[np.ndarray, np.ndarray]:
    """A head of 2 mm in a field of 256x256x176 mm, `top_mm` below its upper edge, with a neck; and its brain.

    The head lies 6 mm towards the front (the first row).
    """
    shape = (128, 128, 88)
    top = 128 - top_mm / 2
    brain = ellipsoid(shape, (top - 46, 61, 43.5), (40, 45, 35)) < 1
    skull = ellipsoid(shape, (top - 48, 61, 43.5), (48, 52, 41)) < 1
    neck = (ellipsoid(shape, (0, 64, 43.5), (1e9, 30, 28)) < 1) & (np.indices(shape)[0] < top - 70)
    rng = np.random.default_rng(1)
    signal = 700.0 * brain + 900.0 * (skull & ~brain) + 600.0 * (neck & ~skull)
    return np.hypot(signal + rng.normal(0, noise, shape), rng.normal(0, noise, shape)).astype(
        np.float32
    ), brain


@pytest.mark.parametrize("noise", [6.0, 60.0])
@pytest.mark.parametrize("top_mm", [0, 6, 10, 20, 40, 60])
def test_the_top_of_the_brain_is_in_the_grid(top_mm, noise) -> None:
    volume, brain = sagittal(top_mm, noise)
    mm = (2.0, 2.0, 2.0)
    offsets = head_offsets(volume, mm, (192.0, 240.0, 240.0))
    middle = 64 + offsets[0]
    layers = np.flatnonzero(brain.any(axis=(1, 2)))
    assert middle - 48 <= layers[0]
    assert middle + 48 >= layers[-1] + 1
    assert offsets[1] == pytest.approx(-2.5, abs=1.5)
    assert offsets[2] == 0  # nothing is cut off there
    # the middle one of the 48 layers, and the first above the head, show where the grid was put
    result = sample(volume, mm)[..., 0]
    if 10 <= top_mm <= 40:
        assert result[-1].max() < 300 < result[-4].max()


def test_the_grid_lies_where_it_is_seen_from_normalised_volumes_too() -> None:
    volume, _ = sagittal(10)
    scored = (volume - volume[volume > 300].mean()) / volume[volume > 300].std()
    assert correlation(seen(volume), seen(scored)) > 0.999


def test_a_field_that_fits_is_centred() -> None:
    volume, _ = sagittal(10)
    assert head_offsets(volume[32:], (2.0, 1.8, 2.0), (192.0, 240.0, 240.0)) == (0, 0, 0)
    assert head_offsets(np.zeros((128, 128, 88)), (2.0, 2.0, 2.0), (192.0, 240.0, 240.0)) == (0, 0, 0)
