"""Volumes and stored pictures brought to the slice of the `spect` task."""

import numpy as np
import pytest
from scipy import ndimage

from bench.data.formats.volume import Volume, to_display
from bench.data.generators import spect
from bench.data.preprocess.spect_binding_ratios import binding_ratios, place
from bench.data.preprocess.spect_slices import orient, slab, to_slice
from bench.errors import UserError


@pytest.fixture(scope="module")
def subjects():
    return spect.generate(spect.study(normal=True), 24, seed=8)


def volume_of(image, striatum_mm=(-8, 20), glands=True):
    """A head `[91, 109, 91]` in MNI space (2 mm, z from -72 mm): the striatum only in its range."""
    z = -72 + 2.0 * np.arange(91)
    plane = image[::-1, ::-1].T
    flat = np.minimum(plane, ndimage.median_filter(plane, 25))
    height = np.clip(1 - ((z - 0) / 70) ** 2, 0, None) ** 0.25
    volume = flat[:, :, None] * height
    inside = (z >= striatum_mm[0]) & (z <= striatum_mm[1])
    volume += np.clip(plane - flat, 0, None)[:, :, None] * ndimage.gaussian_filter1d(inside * 1.0, 2)
    if glands:  # parotids, hotter than the striatum, low and to the sides
        grid = np.ix_(-90 + 2.0 * np.arange(91), -126 + 2.0 * np.arange(109), z)
        for x in (-58, 58):
            distance = (grid[0] - x) ** 2 + (grid[1] + 20) ** 2 + (grid[2] + 50) ** 2
            volume += 3 * plane.max() * np.exp(-distance / (2 * 8**2))
    return volume.astype(np.float32)


def test_slab_is_found_from_the_uptake(subjects):
    for image in subjects.x[:8, ..., 0]:
        first, last = slab(volume_of(image), (2, 2, 2))
        assert last - first == 6
        assert -72 + 2 * (first + last - 1) / 2 == pytest.approx(6, abs=6)  # middle of -8..20 mm


def test_mni_volume_is_not_moved(subjects):
    image = subjects.x[0, ..., 0]
    volume = np.repeat(image[::-1, ::-1].T[:, :, None], 5, axis=2)
    np.testing.assert_allclose(to_slice(Volume(volume, (2, 2, 2))), image, rtol=1e-5)
    np.testing.assert_allclose(to_display(volume)[2], image)  # the same view as every other volume's


def test_native_volume_ends_up_centred(subjects):
    """The same ratios from a scanner's matrix of 3.9 mm, the head off centre, as from the slice itself."""
    errors = []
    for image in subjects.x[:8, ..., 0]:
        native = ndimage.zoom(volume_of(image, glands=False), 2 / 3.9, order=1)
        native = np.pad(native, ((20, 8), (4, 30), (3, 9)))
        result = to_slice(Volume(native, (3.9, 3.9, 3.9)))
        assert result.shape == (109, 91)
        assert (np.abs(place(result[None]).shift_mm) <= 4).all()
        errors.append(binding_ratios(result[None])[0] - binding_ratios(image[None])[0])
    assert np.abs(np.mean(errors)) < 0.35  # the coarser voxels blur a little more
    assert np.abs(errors).max() < 1.0


@pytest.mark.parametrize("shape", [(109, 91), (91, 109)])
def test_a_header_is_believed_whatever_the_shape(subjects, shape):
    """Slices of the pictures' shapes, but of 4 mm pixels, were taken for pictures of 2 mm."""
    image = subjects.x[0, ..., 0]
    coarse = ndimage.zoom(image, 0.5, order=1)
    stored = np.zeros(shape, np.float32)
    stored[20 : 20 + coarse.shape[0], 15 : 15 + coarse.shape[1]] = coarse
    result = to_slice(Volume(stored, (4.0, 4.0)))
    errors = binding_ratios(result[None])[0] - binding_ratios(image[None])[0]
    assert np.abs(errors).max() < 1.0


def test_a_slice_in_mni_space_is_not_moved(subjects):
    image = subjects.x[0, ..., 0]
    np.testing.assert_array_equal(to_slice(Volume(image, (2.0, 2.0))), image)


def test_slices_can_be_given(subjects):
    volume = Volume(volume_of(subjects.x[0, ..., 0]), (2, 2, 2))
    result = to_slice(volume, (30, 33))
    np.testing.assert_allclose(result, volume.displayed()[30:33].mean(axis=0), rtol=1e-5)
    with pytest.raises(UserError, match=r"scan\.nii.*90-94.*0 to 90"):
        to_slice(volume, (90, 95), "scan.nii")


def test_orientation_is_found_from_shape_and_uptake(subjects):
    images = subjects.x[..., 0]
    np.testing.assert_array_equal(orient(images), images)
    for turns in range(1, 4):
        np.testing.assert_array_equal(orient(np.rot90(images, turns, axes=(1, 2))), images)


def test_single_pictures_smoothed_or_not_are_turned_rightly():
    settings = spect.randomised()
    images = spect.generate(settings, 100, seed=1).x[..., 0]
    right = [np.array_equal(orient(image[None, ::-1, ::-1])[0], image) for image in images]
    assert np.mean(right) > 0.95


def test_whatever_a_reader_returns(subjects):
    image = subjects.x[3, ..., 0]
    scan = Volume(np.repeat(image[::-1, ::-1].T[:, :, None], 3, axis=2), (2.0, 2.0, 2.0))
    np.testing.assert_allclose(to_slice(scan), image, rtol=1e-5)
    frame = Volume(np.pad(image, ((10, 9), (20, 17))), (2.0, 2.0))  # 128 x 128, a single DICOM frame
    assert np.corrcoef(to_slice(frame).ravel(), image.ravel())[0, 1] > 0.9
    with pytest.raises(UserError, match="64x64 pixels, expected 109x91 or 91x109"):
        to_slice(Volume(np.zeros((64, 64), np.float32)))
    with pytest.raises(UserError, match="voxel sizes"):
        to_slice(Volume(scan.array), name="scan.npy")
    for axes in (2, 3):
        with pytest.raises(UserError, match="no value above 0"):
            to_slice(Volume(np.zeros(axes * (9,), np.float32), axes * (2.0,)))
    nearly = np.full((20, 20, 20), -1, np.float32)
    nearly[3, 3, 3] = 1
    assert to_slice(Volume(nearly, (2.0, 2.0, 2.0))).shape == (109, 91)
