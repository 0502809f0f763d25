"""Every format gives the same volume in the same orientation, checked against nibabel and by hand."""

import errno
import struct
import zlib

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from bench.data.formats import from_display, kind_of, probe, read, to_display
from bench.errors import UserError

RAS = np.arange(4 * 5 * 6, dtype=np.float32).reshape(4, 5, 6)
SPACING = (1.0, 2.0, 3.0)


def _nifti(path, axes, array=RAS, spacing=SPACING):
    """Store a RAS array with other axes, such as LPS or SAR."""
    affine = np.diag([*spacing, 1.0])
    start = nib.orientations.io_orientation(affine)
    turn = nib.orientations.ornt_transform(start, nib.orientations.axcodes2ornt(axes))
    stored = nib.orientations.apply_orientation(array, turn)
    nib.save(nib.Nifti1Image(stored, affine @ nib.orientations.inv_ornt_aff(turn, array.shape)), path)
    return path


@pytest.mark.parametrize("axes", ["RAS", "LAS", "LPS", "PIR", "SAR", "ILA"])
def test_nifti_of_any_orientation_becomes_ras(tmp_path, axes):
    volume = read(_nifti(tmp_path / "a.nii.gz", axes))
    np.testing.assert_array_equal(volume.array, RAS)
    assert volume.array.dtype == np.float32
    assert volume.spacing_mm == pytest.approx(SPACING)
    assert volume.facts["stored_orientation"] == axes
    np.testing.assert_allclose(volume.affine, np.diag([*SPACING, 1.0]))


def test_oblique_nifti_equals_nibabels_closest_canonical(tmp_path):
    angle = 0.4
    affine = np.eye(4)
    affine[:3, :3] = np.array(
        [[-np.cos(angle), np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, -1]]
    ) @ np.diag(SPACING)
    affine[:3, 3] = 10, -20, 30
    image = nib.Nifti1Image(RAS, affine)
    nib.save(image, tmp_path / "a.nii")
    volume, expected = read(tmp_path / "a.nii"), nib.as_closest_canonical(image)
    np.testing.assert_array_equal(volume.array, expected.get_fdata())
    np.testing.assert_allclose(volume.affine, expected.affine, atol=1e-5)
    assert volume.spacing_mm == pytest.approx(SPACING, abs=1e-5)


def test_display_order_is_head_down_anterior_up_right_first():
    array = np.zeros((4, 5, 6))
    array[3, 4, 0] = 1  # the patient's right, anterior, inferior
    shown = to_display(array)
    assert shown.shape == (6, 5, 4)
    assert shown[0, 0, 0] == 1
    np.testing.assert_array_equal(from_display(shown), array)


@pytest.mark.parametrize(("unit", "spacing"), [("micron", 0.002), ("meter", 2000.0), ("unknown", 2.0)])
def test_units_of_nifti_are_heeded(tmp_path, unit, spacing):
    image = nib.Nifti1Image(RAS, np.diag([2.0, 2.0, 2.0, 1.0]))
    image.header.set_xyzt_units(unit)
    nib.save(image, tmp_path / "a.nii")
    volume = read(tmp_path / "a.nii")
    assert volume.spacing_mm == pytest.approx([spacing] * 3)
    assert volume.facts["stored_spacing_i_mm"] == pytest.approx(spacing)


def test_scaled_integers_and_nan(tmp_path):
    image = nib.Nifti1Image(RAS.astype(np.int16), np.eye(4))
    image.header.set_slope_inter(0.5, -7)
    nib.save(image, tmp_path / "a.nii")
    np.testing.assert_allclose(
        read(tmp_path / "a.nii").array, nib.load(tmp_path / "a.nii").get_fdata(), atol=1e-4
    )
    holed = RAS.copy()
    holed[1, 2, 3] = np.nan
    volume = read(_nifti(tmp_path / "b.nii", "RAS", holed))
    assert volume.array[1, 2, 3] == 0
    assert volume.facts["non_finite"] == 1


def test_trailing_axis_of_one_is_dropped_and_time_refused(tmp_path):
    nib.save(nib.Nifti1Image(RAS[..., None], np.eye(4)), tmp_path / "one.nii")
    np.testing.assert_array_equal(read(tmp_path / "one.nii").array, RAS)
    nib.save(nib.Nifti1Image(np.stack([RAS, RAS], -1), np.eye(4)), tmp_path / "two.nii")
    with pytest.raises(UserError, match="4x5x6x2"):
        probe(tmp_path / "two.nii")


def test_single_slice_nifti_is_an_image_shown_like_the_slice_of_a_volume(tmp_path):
    image = read(_nifti(tmp_path / "a.nii", "LPS", RAS[:, :, 2:3]))
    np.testing.assert_array_equal(image.array, to_display(RAS)[2])
    assert image.spacing_mm == pytest.approx((2.0, 1.0))


@pytest.mark.parametrize("suffix", [".hdr", ".img"])
def test_analyze_pair_by_either_name(tmp_path, suffix):
    image = nib.AnalyzeImage(RAS.astype(np.int16), np.diag([-1.0, 2.0, 3.0, 1.0]))
    nib.save(image, tmp_path / "a.img")
    volume = read(tmp_path / f"a{suffix}")
    expected = nib.as_closest_canonical(nib.load(tmp_path / "a.img"))
    np.testing.assert_array_equal(volume.array, expected.get_fdata())
    assert volume.spacing_mm == pytest.approx(SPACING)
    (tmp_path / "a.img").write_bytes(b"12")
    with pytest.raises(UserError, match=r"expected at least 240"):
        probe(tmp_path / "a.hdr")


def test_png_8_and_16_bit_colour_and_transparency(tmp_path):
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(read(tmp_path / "grey.png").array, grey)
    deep = grey.astype(np.uint16) * 5000
    Image.fromarray(deep).save(tmp_path / "deep.png")
    np.testing.assert_array_equal(read(tmp_path / "deep.png").array, deep)
    assert read(tmp_path / "deep.png").facts["stored_bits"] == 16
    colour = np.stack([grey, grey * 2, grey * 3], -1)
    Image.fromarray(colour).save(tmp_path / "colour.png")
    np.testing.assert_allclose(
        read(tmp_path / "colour.png").array, grey * (0.299 + 2 * 0.587 + 3 * 0.114), rtol=1e-5
    )
    Image.fromarray(np.stack([grey, np.full_like(grey, 255)], -1), "LA").save(tmp_path / "la.png")
    np.testing.assert_array_equal(read(tmp_path / "la.png").array, grey)
    assert read(tmp_path / "grey.png").spacing_mm is None


def test_jpeg_is_turned_as_its_exif_says(tmp_path):
    grey = np.zeros((16, 32), np.uint8)
    grey[:8] = 200
    image = Image.fromarray(grey)
    exif = image.getexif()
    exif[0x0112] = 6  # shown turned by 90 degrees, clockwise
    image.save(tmp_path / "a.jpg", exif=exif, quality=95)
    shown = read(tmp_path / "a.jpg").array
    assert shown.shape == (32, 16)
    assert shown[:, 12].mean() > 150 > 50 > shown[:, 3].mean()


def test_npy_is_in_dataset_order(tmp_path):
    shown = np.ascontiguousarray(to_display(RAS))
    np.save(tmp_path / "a.npy", shown)
    volume = read(tmp_path / "a.npy")
    np.testing.assert_array_equal(volume.array, RAS)
    np.testing.assert_array_equal(volume.displayed(), shown)
    np.save(tmp_path / "b.npy", shown[0].astype(np.uint8)[..., None])
    np.testing.assert_array_equal(read(tmp_path / "b.npy").array, shown[0])
    np.save(tmp_path / "c.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match=r"c\.npy"):
        read(tmp_path / "c.npy")


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.hdr", "a.dcm", "a.png", "a.jpg", "a.npy"])
def test_rubbish_and_emptiness_are_the_users_errors_in_one_line(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"")
    with pytest.raises(UserError, match="empty"):
        probe(path)
    path.write_bytes(b"rubbish" * 100)
    for action in (probe, read):
        with pytest.raises(UserError) as caught:
            action(path)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)


def test_truncated_files_are_named(tmp_path):
    noise = np.random.default_rng(0).normal(size=(20, 20, 20)).astype(np.float32)
    nib.save(nib.Nifti1Image(noise, np.eye(4)), tmp_path / "a.nii.gz")
    content = (tmp_path / "a.nii.gz").read_bytes()
    (tmp_path / "a.nii.gz").write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=r"a\.nii\.gz"):
        read(tmp_path / "a.nii.gz")
    with pytest.raises(UserError, match="nothing there"):
        read(tmp_path / "missing.nii")


def test_unknown_formats(tmp_path):
    (tmp_path / "a.bmp").write_bytes(b"BM")
    assert kind_of(tmp_path / "a.bmp") is None
    with pytest.raises(UserError, match="unknown format"):
        read(tmp_path / "a.bmp")


@pytest.mark.parametrize("axes", ["RAS", "LPS", "PIR", "SAR"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_slice_along_any_axis_is_an_image_head_up(tmp_path, axis, axes):
    one = [slice(None)] * 3
    one[axis] = slice(2, 3)
    image = read(_nifti(tmp_path / "a.nii", axes, RAS[tuple(one)]))
    shown = to_display(RAS)  # depth runs upwards, so head up is its reverse
    expected = [shown[::-1, :, 4 - 1 - 2], shown[::-1, 5 - 1 - 2, :], shown[2]][axis]
    np.testing.assert_array_equal(image.array, expected)
    assert image.spacing_mm == pytest.approx([(3.0, 2.0), (3.0, 1.0), (2.0, 1.0)][axis])
    assert image.affine is None
    assert probe(tmp_path / "a.nii") == {}


def test_numpy_volumes_of_one_slice_are_images_and_lines_are_refused(tmp_path):
    shown = to_display(RAS)
    np.save(tmp_path / "axial.npy", shown[2:3])
    np.testing.assert_array_equal(read(tmp_path / "axial.npy").array, shown[2])
    np.save(tmp_path / "coronal.npy", shown[:, 1:2])
    np.testing.assert_array_equal(read(tmp_path / "coronal.npy").array, shown[::-1, 1])
    np.save(tmp_path / "line.npy", shown[:1, :1])
    nib.save(nib.Nifti1Image(RAS[:1, :1], np.eye(4)), tmp_path / "line.nii")
    for name in ("line.npy", "line.nii"):
        for action in (probe, read):
            with pytest.raises(UserError, match="found shape 1x1x"):
                action(tmp_path / name)


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_complex_nifti_is_refused_as_colour_is(tmp_path, dtype):
    nib.save(nib.Nifti1Image((RAS + 1j * RAS).astype(dtype), np.eye(4)), tmp_path / "a.nii")
    colour = np.zeros((3, 4, 5), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    nib.save(nib.Nifti1Image(colour, np.eye(4)), tmp_path / "b.nii")
    for name, what in (("a.nii", "complex"), ("b.nii", "colour")):
        for action in (probe, read):
            with pytest.raises(UserError, match=f"found {what} voxels, expected"):
                action(tmp_path / name)


def test_sheared_nifti_is_said_in_degrees(tmp_path):
    affine = np.diag([2.0, 2.0, 5.0, 1.0])
    affine[1, 2] = 5 * np.tan(np.deg2rad(15))
    nib.save(nib.Nifti1Image(RAS, affine), tmp_path / "a.nii")
    assert "15.0 degrees off the right angle" in probe(tmp_path / "a.nii")["tilt"]


def test_voxel_sizes_that_contradict_each_other_are_said(tmp_path):
    image = nib.Nifti1Image(np.ones((4, 5, 6), np.float32), np.diag([1, 1, 1, 1]))
    nib.save(image, tmp_path / "a.nii")
    assert probe(tmp_path / "a.nii") == {}
    image.header["pixdim"][1:4] = 1, 1, 5
    image.header["sform_code"] = 1
    path = tmp_path / "b.nii"
    path.write_bytes(image.header.binaryblock + b"\0" * 4 + image.get_fdata().astype(np.float32).tobytes())
    assert (
        probe(path)["spacing"] == "found voxels of 1x1x5 in pixdim and 1x1x1 in the affine, took the affine"
    )
    assert read(path).facts["stored_spacing_k_mm"] == 1.0


def test_an_unknown_unit_of_nifti_is_taken_for_millimetres(tmp_path):
    image = nib.Nifti1Image(np.ones((4, 5, 6), np.float32), np.diag([2, 2, 2, 1]))
    image.header["xyzt_units"] = 4
    nib.save(image, tmp_path / "a.nii")
    assert read(tmp_path / "a.nii").spacing_mm == (2, 2, 2)


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_sixteen_bits_of_colour_are_refused_not_halved(tmp_path, channels):
    """Pillow reads the upper eight alone, of which 12-bit images have four."""
    rows = np.random.default_rng(0).integers(0, 256, (6, 1 + 5 * channels * 2), dtype=np.uint8)
    rows[:, 0] = 0  # no filter

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 5, 6, 16, {2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes())), (b"IEND", b""))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts))
    for function in (probe, read):
        with pytest.raises(
            UserError, match=r"a\.png: found 16 bits of colour or transparency, expected grey"
        ):
            function(tmp_path / "a.png")


def test_refusals_of_the_file_system_are_not_called_damage(tmp_path, monkeypatch):
    path = _nifti(tmp_path / "a.nii", "RAS")

    def refused(_):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(nib, "load", refused)
    for action in (probe, read):
        with pytest.raises(UserError, match=r"a\.nii: found what cannot be read \(Permission denied\)"):
            action(path)
    (tmp_path / "b.nii").symlink_to("nowhere")
    with pytest.raises(UserError, match=r"b\.nii: found a broken link to nowhere"):
        read(tmp_path / "b.nii")
