"""Resampling against SciPy and Pillow."""

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from bench.data.formats import Volume, from_display, read
from bench.data.preprocess.grid import Grid, brain_mask, interpolation_weights, resample, to_grid
from bench.errors import UserError

RNG = np.random.default_rng(5)


@pytest.mark.parametrize("shape", [(20, 15, 9), (5, 15, 30), (7, 31, 12), (11, 13, 17)])
def test_whole_field_of_view_equals_scipys_zoom(shape):
    array = RNG.normal(size=(11, 13, 17)).astype(np.float32)
    zoom = [after / before for after, before in zip(shape, array.shape, strict=True)]
    expected = ndimage.zoom(array, zoom, order=1, mode="nearest", grid_mode=True)
    assert expected.shape == shape
    np.testing.assert_allclose(resample(array, shape), expected, atol=2e-5)


def test_voxel_size_equals_scipys_map_coordinates_around_the_middle():
    array = RNG.normal(size=(10, 12)).astype(np.float32)
    spacing, voxel, shape = (3.0, 2.0), (2.0, 2.5), (9, 7)
    axes = [
        (np.arange(n) - (n - 1) / 2) * after / before + (m - 1) / 2
        for n, m, after, before in zip(shape, array.shape, voxel, spacing, strict=True)
    ]
    expected = ndimage.map_coordinates(array, np.meshgrid(*axes, indexing="ij"), order=1)
    np.testing.assert_allclose(resample(array, shape, spacing, voxel), expected, atol=1e-5)


def test_outside_of_the_field_of_view_is_zero():
    result = resample(np.ones((4, 4), np.float32), (8, 2), (1.0, 1.0), (1.0, 1.0))
    np.testing.assert_array_equal(result[:, 0], [0, 0, 1, 1, 1, 1, 0, 0])


def test_offsets_move_the_grid():
    array = RNG.normal(size=(9, 8)).astype(np.float32)
    mm = (1.0, 1.0)
    np.testing.assert_array_equal(resample(array, (5, 8), mm, mm, offsets=(2.0, 0.0)), array[4:])
    np.testing.assert_array_equal(resample(array, (9, 8), mm, mm, offsets=(0.0, -1.0))[:, 1:], array[:, :-1])


@pytest.mark.parametrize("shape", [(16, 10), (9, 33)])
def test_antialiasing_equals_pillows_bilinear(shape):
    array = RNG.normal(size=(41, 37)).astype(np.float32)
    expected = np.asarray(Image.fromarray(array).resize(shape[::-1], Image.Resampling.BILINEAR))
    np.testing.assert_allclose(resample(array, shape, antialias=True), expected, atol=1e-5)


def test_weights_are_shares():
    for n_out in (3, 10, 25):
        for antialias in (False, True):
            weights = interpolation_weights(10, n_out, antialias=antialias)
            np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)


def test_the_same_brain_in_another_orientation_gives_the_same_sample(tmp_path):
    image = nib.Nifti1Image(RNG.normal(size=(12, 14, 10)).astype(np.float32), np.diag([2.0, 2.0, 3.0, 1.0]))
    nib.save(image, tmp_path / "a.nii")
    turn = nib.orientations.axcodes2ornt("PSL")
    nib.save(
        image.as_reoriented(nib.orientations.ornt_transform(nib.orientations.axcodes2ornt("RAS"), turn)),
        tmp_path / "b.nii",
    )
    grid = Grid((8, 10, 12), (3.0, 2.0, 2.0))
    one, other = (to_grid(read(tmp_path / name), grid, name) for name in ("a.nii", "b.nii"))
    assert one.shape == (8, 10, 12, 1)
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_dimension_errors():
    volume = Volume(from_display(RNG.normal(size=(9, 8, 6)).astype(np.float32)), (1.0, 1.0, 2.0))
    with pytest.raises(UserError, match="expected an image"):
        to_grid(volume, Grid((8, 6)), "v")
    with pytest.raises(UserError, match="expected a volume"):
        to_grid(Volume(np.ones((4, 4), np.float32)), Grid((8, 6, 5)), "v")


def test_keys_tell_grids_apart_and_stay_the_same():
    assert Grid((8, 6, 5)).key() == Grid((8, 6, 5)).key()
    grids = [
        Grid((8, 6)),
        Grid((8, 7)),
        Grid((8, 6), (1, 1)),
        Grid((8, 6), antialias=True),
        Grid((8, 6, 5)),
        Grid((8, 6, 5), brain_mask=True),
        Grid((8, 6, 5), head=True),
    ]
    assert len({grid.key() for grid in grids}) == len(grids)


def test_brain_mask_finds_an_ellipsoid_inside_a_skull():
    z, y, x = np.meshgrid(*[np.arange(n) * 2.0 - (n - 1) for n in (70, 100, 90)], indexing="ij")
    radius = np.sqrt((x / 60) ** 2 + (y / 75) ** 2 + (z / 50) ** 2)
    brain, scalp = radius < 1, (radius > 1.15) & (radius < 1.22)
    array = (0.8 * brain + 1.0 * scalp + RNG.normal(0, 0.05, radius.shape)).astype(np.float32)
    mask = brain_mask(array, (2.0, 2.0, 2.0))
    dice = 2 * (mask & brain).sum() / (mask.sum() + brain.sum())
    assert dice > 0.95
    assert not (mask & scalp).any()
    assert brain_mask(np.zeros((8, 8, 8)), (1, 1, 1)).all()
