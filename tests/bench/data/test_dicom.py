"""DICOM geometry, on files written here from a known RAS volume."""

import re

import nibabel as nib
import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, generate_uid

from bench.data.folders.folder import check_folder, scans_below
from bench.data.folders.scan_checks import Found
from bench.data.formats import kind_of, probe, read
from bench.errors import UserError

# stored as LPS slices: [slice, row, column] = [z, posterior, left]
RAS = np.random.default_rng(3).integers(0, 1000, (7, 6, 5)).astype(np.uint16)
SPACING = (1.5, 2.5, 4.0)  # x, y, z
AXIAL = [1, 0, 0, 0, 1, 0]
FRAMES = RAS[::-1, ::-1].transpose(2, 1, 0)
START_LPS = np.array([-20.0, -30.0, 40.0])
SOP = {
    "MR": "1.2.840.10008.5.1.4.1.1.4",
    "NM": "1.2.840.10008.5.1.4.1.1.20",
    "EMR": "1.2.840.10008.5.1.4.1.1.4.1",
}


def _header(path, pixels, sop="MR", syntax=ExplicitVRLittleEndian, **tags):
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = SOP[sop]
    meta.MediaStorageSOPInstanceUID = generate_uid()
    data = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.Modality = "NM" if sop == "NM" else "MR"
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit, data.PixelRepresentation = 15, 0
    data.Rows, data.Columns = pixels.shape[-2:]
    if pixels.ndim == 3:
        data.NumberOfFrames = len(pixels)
    data.PixelData = np.ascontiguousarray(pixels).tobytes()
    for name, value in tags.items():
        setattr(data, name, value)
    return data


def _series(folder, order=(3, 0, 4, 1, 2), frames=FRAMES, **changes):
    """Write a series whose file names and instance numbers do not follow the slices."""
    folder.mkdir(exist_ok=True)
    uid = generate_uid()
    for file_number, index in enumerate(order):
        tags = {
            "SeriesInstanceUID": uid,
            "PatientID": "P1",
            "ImageOrientationPatient": AXIAL,
            "ImagePositionPatient": [*START_LPS[:2], START_LPS[2] + index * SPACING[2]],
            "PixelSpacing": [SPACING[1], SPACING[0]],
            "SliceThickness": 99.0,
            "InstanceNumber": file_number + 1,
            **changes,
        }
        path = folder / f"IM{file_number:04d}"
        _header(path, frames[index], **{k: v for k, v in tags.items() if v is not None}).save_as(path)
    return folder


def test_series_is_sorted_by_position_and_brought_to_ras(tmp_path):
    folder = _series(tmp_path / "s")
    (folder / "DICOMDIR").write_bytes(b"x")
    (folder / "notes.txt").write_text("x")
    assert kind_of(folder) == "dicom"
    assert probe(folder)["patient"] == "P1"
    volume = read(folder)
    np.testing.assert_array_equal(volume.array, RAS)
    assert volume.spacing_mm == pytest.approx(SPACING)
    # index (0, 0, 0) of RAS is the left, posterior corner: last column, last row of the first slice
    corner = START_LPS * (-1, -1, 1) - np.array([(7 - 1) * SPACING[0], (6 - 1) * SPACING[1], 0])
    np.testing.assert_allclose(volume.affine[:3, 3], corner)


def test_files_without_preamble_and_meta_are_read(tmp_path):
    data = _header(tmp_path / "a.dcm", FRAMES[0])
    data.save_as(tmp_path / "full.dcm")
    plain = pydicom.Dataset({tag: data[tag] for tag in data.keys()})  # noqa: SIM118
    pydicom.dcmwrite(tmp_path / "a.dcm", plain, implicit_vr=True, little_endian=True)
    assert (tmp_path / "a.dcm").read_bytes()[128:132] != b"DICM"
    np.testing.assert_array_equal(read(tmp_path / "a.dcm").array, FRAMES[0])


@pytest.mark.parametrize(
    ("cosines", "axes"),
    [([1, 0, 0, 0, 0, -1], "LIP"), ([0, 1, 0, 0, 0, -1], "PIL"), ([-1, 0, 0, 0, 1, 0], "RPI")],
)
def test_coronal_sagittal_and_mirrored_series_equal_nibabel(tmp_path, cosines, axes):
    normal = np.cross(cosines[:3], cosines[3:])
    folder = tmp_path / "s"
    folder.mkdir()
    for index in range(5):
        position = (START_LPS + index * 4.0 * normal).tolist()
        path = folder / f"{9 - index}.dcm"
        _header(
            path,
            FRAMES[index],
            ImageOrientationPatient=cosines,
            ImagePositionPatient=position,
            PixelSpacing=[2.5, 1.5],
        ).save_as(path)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = np.array(cosines[:3]) * 1.5, np.array(cosines[3:]) * 2.5
    affine[:3, 2], affine[:3, 3] = normal * 4.0, START_LPS
    affine = np.diag([-1, -1, 1, 1]) @ affine
    image = nib.Nifti1Image(FRAMES.transpose(2, 1, 0), affine)
    expected = nib.as_closest_canonical(image)
    volume = read(folder)
    assert volume.facts["stored_orientation"] == "".join(nib.aff2axcodes(affine))
    assert volume.facts["stored_orientation"][:2] == axes[:2]
    np.testing.assert_array_equal(volume.array, np.asarray(expected.dataobj))
    np.testing.assert_allclose(volume.affine, expected.affine, atol=1e-9)


def test_rescale_is_applied_slice_by_slice(tmp_path):
    folder = _series(tmp_path / "s")
    for number, path in enumerate(sorted(folder.iterdir())):
        data = pydicom.dcmread(path)
        data.RescaleSlope, data.RescaleIntercept = number + 1, -number
        data.save_as(path)
    order = (3, 0, 4, 1, 2)
    expected = RAS.astype(float)
    for number, index in enumerate(order):
        expected[:, :, index] = expected[:, :, index] * (number + 1) - number
    np.testing.assert_allclose(read(folder).array, expected)


def test_fallbacks_location_then_instance_number(tmp_path):
    by_number = _series(tmp_path / "n", order=range(5), ImagePositionPatient=None, SpacingBetweenSlices=4.0)
    volume = read(by_number)
    np.testing.assert_array_equal(volume.array, RAS)
    assert volume.spacing_mm == pytest.approx(SPACING)
    by_thickness = _series(
        tmp_path / "t",
        order=range(5),
        ImagePositionPatient=None,
        SliceThickness=3.0,
        ImageOrientationPatient=None,
    )
    assert read(by_thickness).spacing_mm == pytest.approx((1.5, 2.5, 3.0))
    by_location = _series(tmp_path / "l", ImagePositionPatient=None)
    for path, index in zip(sorted(by_location.iterdir()), (3, 0, 4, 1, 2), strict=True):
        data = pydicom.dcmread(path)
        data.SliceLocation = index * 4.0
        data.save_as(path)
    np.testing.assert_array_equal(read(by_location).array, RAS)
    assert read(by_location).spacing_mm == pytest.approx(SPACING)


def test_missing_slice_double_position_and_mixed_series_are_refused(tmp_path):
    with pytest.raises(UserError, match="no missing slice"):
        probe(_series(tmp_path / "gap", order=(0, 1, 3, 4)))
    with pytest.raises(UserError, match="no missing slice"):
        probe(_series(tmp_path / "gap of three", order=(0, 1, 3)))
    with pytest.raises(UserError, match="one frame a position"):
        probe(_series(tmp_path / "twice", order=(0, 1, 2, 2, 3)))
    mixed = _series(tmp_path / "mixed")
    data = pydicom.dcmread(mixed / "IM0000")
    data.SeriesInstanceUID = generate_uid()
    data.save_as(mixed / "IM0000")
    with pytest.raises(UserError, match=r"2 series \(4 \+ 1 files\)"):
        probe(mixed)


@pytest.mark.parametrize("step", [4.0, -4.0])
def test_nuclear_medicine_frames_stack_by_the_sign_of_their_distance(tmp_path, step):
    frames = FRAMES if step > 0 else FRAMES[::-1]
    detector = pydicom.Dataset()
    detector.ImageOrientationPatient = AXIAL
    detector.ImagePositionPatient = START_LPS.tolist()
    data = _header(
        tmp_path / "nm.dcm",
        frames,
        "NM",
        ImageType=["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"],
        DetectorInformationSequence=[detector],
        PixelSpacing=[2.5, 1.5],
        SpacingBetweenSlices=step,
        SliceThickness=4.0,
        NumberOfSlices=5,
        SliceVector=[1, 2, 3, 4, 5],
    )
    data.save_as(tmp_path / "nm.dcm")
    volume = read(tmp_path / "nm.dcm")
    np.testing.assert_array_equal(volume.array, RAS)
    assert volume.spacing_mm == pytest.approx(SPACING)
    data.ImageType = ["ORIGINAL", "PRIMARY", "TOMO", "EMISSION"]
    data.save_as(tmp_path / "raw.dcm")
    with pytest.raises(UserError, match="RECON TOMO"):
        read(tmp_path / "raw.dcm")


def test_enhanced_mr_takes_geometry_and_scaling_from_functional_groups(tmp_path):
    order = [2, 0, 4, 3, 1]
    orientation, measures, shared = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
    orientation.ImageOrientationPatient = AXIAL
    measures.PixelSpacing, measures.SliceThickness = [2.5, 1.5], 99.0
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = [orientation], [measures]
    groups = []
    for index in order:
        group, plane, scaling = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
        plane.ImagePositionPatient = [*START_LPS[:2], START_LPS[2] + 4.0 * index]
        scaling.RescaleSlope, scaling.RescaleIntercept, scaling.RescaleType = index + 1, 5, "US"
        group.PlanePositionSequence, group.PixelValueTransformationSequence = [plane], [scaling]
        groups.append(group)
    data = _header(
        tmp_path / "e.dcm",
        FRAMES[order],
        "EMR",
        SharedFunctionalGroupsSequence=[shared],
        PerFrameFunctionalGroupsSequence=groups,
    )
    data.save_as(tmp_path / "e.dcm")
    volume = read(tmp_path / "e.dcm")
    np.testing.assert_allclose(volume.array, RAS * (np.arange(5) + 1.0) + 5)
    assert volume.spacing_mm == pytest.approx(SPACING)


def test_enhanced_files_of_one_frame_make_a_series_of_their_groups(tmp_path):
    sagittal, uid = [0, 1, 0, 0, 0, -1], generate_uid()
    for index in range(5):
        plane, orientation, measures, group = (pydicom.Dataset() for _ in range(4))
        plane.ImagePositionPatient = [3.0 * index, -50.0, 60.0]
        orientation.ImageOrientationPatient = sagittal
        measures.PixelSpacing, measures.SliceThickness = [1.5, 2.0], 99.0
        group.PlanePositionSequence, group.PlaneOrientationSequence = [plane], [orientation]
        group.PixelMeasuresSequence = [measures]
        path = tmp_path / f"{index}.dcm"
        data = _header(path, FRAMES[index][None], "EMR", PerFrameFunctionalGroupsSequence=[group])
        data.SeriesInstanceUID, data.InstanceNumber = uid, 5 - index
        data.save_as(path)
    volume = read(tmp_path)
    assert volume.spacing_mm == pytest.approx((3.0, 2.0, 1.5))
    np.testing.assert_array_equal(volume.array, FRAMES[:5].transpose(0, 2, 1)[::-1, ::-1, ::-1])
    assert probe(tmp_path) == {"series": uid}
    assert read(tmp_path / "0.dcm").spacing_mm == (1.5, 2.0)


@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
def test_a_table_of_values_is_applied(tmp_path, kind):
    table = (7 * np.arange(1000) + 3).astype(np.uint16)
    lookup = pydicom.Dataset()
    lookup.add_new("LUTDescriptor", "US", [1000, 0, 16])
    lookup.ModalityLUTType = "US"
    lookup.add_new("LUTData", "OW", table.tobytes())
    tags = {"PhotometricInterpretation": kind, "ModalityLUTSequence": [lookup]}
    _header(tmp_path / "a.dcm", FRAMES[0], **tags).save_as(tmp_path / "a.dcm")
    expected = table[FRAMES[0]].astype(float)
    np.testing.assert_array_equal(
        read(tmp_path / "a.dcm").array, expected if kind == "MONOCHROME2" else 65535 - expected
    )


def test_frames_in_time_are_no_volume(tmp_path):
    path = tmp_path / "a.dcm"
    _header(path, FRAMES, FrameTime=33.0).save_as(path)
    with pytest.raises(UserError, match="5 frames one after the other in time"):
        read(path)
    tags = {"SpacingBetweenSlices": 4.0, "PixelSpacing": [2.0, 1.0]}
    _header(path, FRAMES, FrameTime=33.0, **tags).save_as(path)
    assert read(path).spacing_mm == (1.0, 2.0, 4.0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"PixelSpacing": None}, "no voxel size"),
        ({"ImagePositionPatient": None, "SliceThickness": None}, "without a position.*; found no voxel size"),
        (
            {"ImagePositionPatient": None},
            "without a position, assumed the order of their numbers, from below$",
        ),
    ],
)
def test_what_no_header_says_is_not_made_up(tmp_path, changes, said):
    folder = _series(tmp_path / "s", **changes)
    volume, found = read(folder), probe(folder)["spacing"]
    assert re.search(said, found)
    assert (volume.spacing_mm is None) == ("no voxel size" in found)
    assert ("stored_spacing_i_mm" in volume.facts) == ("no voxel size" not in found)


def test_frames_without_a_distance_have_no_voxel_size(tmp_path):
    _header(tmp_path / "a.dcm", FRAMES, "NM", PixelSpacing=[2.0, 2.0]).save_as(tmp_path / "a.dcm")
    assert read(tmp_path / "a.dcm").spacing_mm is None
    assert "no voxel size" in probe(tmp_path / "a.dcm")["spacing"]


def test_a_slice_without_a_position_among_others_is_told(tmp_path):
    folder = _series(tmp_path / "s")
    data = pydicom.dcmread(folder / "IM0002")
    del data.ImagePositionPatient
    data.save_as(folder / "IM0002")
    assert "without a position" in probe(folder)["spacing"]


def test_slices_beside_one_another_are_told(tmp_path):
    folder = _series(tmp_path / "s")
    assert "spacing" not in probe(folder)
    data = pydicom.dcmread(folder / "IM0003")  # neither the first nor the last
    data.ImagePositionPatient[1] += 50
    data.save_as(folder / "IM0003")
    assert "up to 50.0 mm beside others" in probe(folder)["spacing"]


def test_slices_of_two_patients_are_no_series(tmp_path):
    folder = _series(tmp_path / "s", SeriesInstanceUID="")
    data = pydicom.dcmread(folder / "IM0004")
    data.PatientID = "P2"
    data.save_as(folder / "IM0004")
    for function in (probe, read):
        with pytest.raises(
            UserError, match="s: found slices of 2 patients in one series, expected one patient"
        ):
            function(folder)


def test_bits_stored_at_the_upper_end_are_refused(tmp_path):
    """pydicom took the lowest twelve: 3291, stored as 3291 x 16, became 3504."""
    path = tmp_path / "a.dcm"
    _header(path, FRAMES[0] << 4, BitsStored=12, HighBit=15).save_as(path)
    with pytest.raises(UserError, match=r"a\.dcm: found HighBit 15 of 12 bits stored, expected 11"):
        read(path)


@pytest.mark.parametrize("content", [b"", b"x" * 100])
def test_a_slice_that_is_cut_at_its_head_is_told(tmp_path, content):
    for label in "ab":
        (tmp_path / label).mkdir()
        _series(tmp_path / label / label, PatientID=label)
    (tmp_path / "a" / "a" / "IM0004").write_bytes(content)
    found = check_folder(tmp_path)
    assert any("found IM0004 beside DICOM files" in line for line in found.warnings)


def test_single_frame_is_an_image_and_monochrome1_is_inverted(tmp_path):
    _header(
        tmp_path / "a.dcm", FRAMES[0], PhotometricInterpretation="MONOCHROME1", PixelSpacing=[2.5, 1.5]
    ).save_as(tmp_path / "a.dcm")
    volume = read(tmp_path / "a.dcm")
    np.testing.assert_array_equal(volume.array, 65535 - FRAMES[0].astype(float))
    assert volume.spacing_mm == (2.5, 1.5)


def test_frames_of_three_columns_are_not_colours(tmp_path):
    path = tmp_path / "a.dcm"
    _header(path, FRAMES[..., :3], SpacingBetweenSlices=4.0).save_as(path)
    assert sorted(read(path).array.shape) == sorted(FRAMES[..., :3].shape)


def test_pixels_without_a_decoder_and_cut_pixels_are_the_users_error(tmp_path):
    data = _header(tmp_path / "a.dcm", FRAMES[0], syntax=JPEG2000Lossless)
    data.PixelData = pydicom.encaps.encapsulate([b"\xff\x4f" + b"\0" * 20])
    data["PixelData"].is_undefined_length = True
    data.save_as(tmp_path / "a.dcm")
    with pytest.raises(UserError, match=r"a\.dcm"):
        read(tmp_path / "a.dcm")
    cut = _header(tmp_path / "b.dcm", FRAMES[0])
    cut.PixelData = cut.PixelData[:10]
    cut.save_as(tmp_path / "b.dcm")
    with pytest.raises(UserError, match=r"b\.dcm"):
        read(tmp_path / "b.dcm")


def _at(folder, positions):
    """A series whose slices lie at these places (LPS)."""
    _series(folder, order=range(5))
    for path, position in zip(sorted(folder.iterdir()), positions, strict=True):
        data = pydicom.dcmread(path)
        data.ImagePositionPatient = [float(value) for value in position]
        data.save_as(path)
    return folder


@pytest.mark.parametrize("degrees", [20, -5])
def test_a_tilted_gantry_is_said_in_degrees(tmp_path, degrees):
    shift = np.tan(np.deg2rad(degrees))
    folder = _at(tmp_path / "s", [(0, 3 * n * shift, 3 * n) for n in range(5)])
    assert f"{abs(degrees):.1f} degrees" in probe(folder)["tilt"]
    assert "spacing" not in probe(folder)


def test_an_oblique_series_is_not_tilted(tmp_path):
    angle = np.deg2rad(20)
    normal = np.array([0, -np.sin(angle), np.cos(angle)])
    folder = _at(tmp_path / "s", [3 * n * normal for n in range(5)])
    for path in folder.iterdir():
        data = pydicom.dcmread(path)
        data.ImageOrientationPatient = [1, 0, 0, 0, float(np.cos(angle)), float(np.sin(angle))]
        data.save_as(path)
    assert set(probe(folder)) == {"series", "patient"}


def test_uneven_distances_of_slices_are_said_in_millimetres(tmp_path):
    folder = _at(tmp_path / "s", [(0, 0, z) for z in (0, 3, 6, 10.4, 13.4)])
    assert probe(folder)["spacing"] == "found slices 3.00 to 4.40 mm apart, assumed 3.35 mm between all"
    assert read(folder).spacing_mm[2] == pytest.approx(3.35)
    rounded = _at(tmp_path / "r", [(0, 0, z) for z in (0, 3.33, 6.67, 10, 13.33)])
    assert set(probe(rounded)) == {"series", "patient"}


def test_frames_of_one_file_are_probed_too(tmp_path):
    data = _header(tmp_path / "e.dcm", FRAMES, "EMR")
    groups = []
    for index in range(5):
        group, plane, orientation = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
        plane.ImagePositionPatient = [0.0, float(index), 2.0 * index]
        orientation.ImageOrientationPatient = AXIAL
        group.PlanePositionSequence, group.PlaneOrientationSequence = [plane], [orientation]
        groups.append(group)
    data.PerFrameFunctionalGroupsSequence = groups
    data.save_as(tmp_path / "e.dcm")
    assert "26.6 degrees" in probe(tmp_path / "e.dcm")["tilt"]  # one aside for two along the normal


def test_files_that_are_scans_by_themselves_are_not_one_series(tmp_path):
    """`predict` refused a flat folder of multi-frame files, one a patient, as archives export DaT SPECT."""

    def write(folder, *files):
        (tmp_path / folder).mkdir()
        for place, (pixels, series, patient) in enumerate(files):
            path = tmp_path / folder / f"{place}.dcm"
            _header(path, pixels, "NM", SeriesInstanceUID=series, PatientID=patient).save_as(path)
        return [path.name for path in scans_below(tmp_path / folder, Found())]

    one = FRAMES[0]
    each = ["0.dcm", "1.dcm"]
    assert write("frames", (FRAMES, "1.1", "a"), (FRAMES, "1.2", "a")) == each
    assert write("patients", (one, "1.1", "a"), (one, "1.2", "b")) == each
    assert write("series", (one, "1.1", "a"), (one, "1.1", "a")) == ["series"]
    assert write("anonymous", (one, "1.1", "a"), (one, "1.2", "a")) == ["anonymous"]  # slices, perhaps
    assert write("mixed", (FRAMES, "1.1", "a"), (FRAMES, "1.1", "b")) == ["mixed"]
    assert write("single", (FRAMES, "1.1", "a")) == ["single"]
    (tmp_path / "series" / "more").mkdir()
    np.save(tmp_path / "series" / "more" / "a.npy", one)
    assert [path.name for path in scans_below(tmp_path / "series", Found())] == ["series", "a.npy"]
