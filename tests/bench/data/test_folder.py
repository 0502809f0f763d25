"""Verification of users' folders: each fault is named with its place."""

import errno
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file

from bench.data.caches.cached_dataset import open_cached
from bench.data.caches.content_hashes import hash_all
from bench.data.folders.folder import check_folder, collected_warnings, list_folder, unlisted
from bench.data.folders.resampled_folder import build_cache
from bench.data.folders.scan_checks import stem_of
from bench.data.formats import read
from bench.data.preprocess.grid import Grid
from bench.data.splits import folds
from bench.errors import UserError


def _png(path, value=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((4, 4), value, np.uint8)).save(path)
    return path


@pytest.fixture
def labelled(tmp_path):
    """Four images of three subjects, with sites."""
    for name in "abcd":
        _png(tmp_path / "images" / f"{name}.png")
    rows = [
        "images/a.png,normal,s1,X",
        "images/b.png,tumour,s2,Y",
        "images/c.png,tumour,s2,Y",
        "images/d.png,normal,s3,X",
    ]
    (tmp_path / "labels.csv").write_text("path,label,subject,site\n" + "\n".join(rows) + "\n")
    return tmp_path


def _append(folder, line):
    with (folder / "labels.csv").open("a") as file:
        file.write(line + "\n")


def test_labels_csv(labelled):
    items = list_folder(labelled)
    assert [(item.path.name, item.label, item.subject, item.site, item.kind) for item in items] == [
        ("a.png", "normal", "s1", "X", "image"),
        ("b.png", "tumour", "s2", "Y", "image"),
        ("c.png", "tumour", "s2", "Y", "image"),
        ("d.png", "normal", "s3", "X", "image"),
    ]
    assert check_folder(labelled).warnings == []


def test_what_spreadsheets_write_is_understood(labelled):
    text = "﻿Subject;Path;Label;Age\r\ns1; images\\a.png ;normal;60\r\ns2;images/b.png;tumour;61\r\n;;;\r\n"
    (labelled / "labels.csv").write_bytes(text.encode())
    assert [(item.subject, item.label, item.site) for item in list_folder(labelled)] == [
        ("s1", "normal", None),
        ("s2", "tumour", None),
    ]
    text = '"path";"label";"subject";"said (short, long, free, other)"\nimages/a.png;normal;s1;a, b\n'
    (labelled / "labels.csv").write_text(text)
    assert [item.label for item in check_folder(labelled).items] == ["normal"]


def test_names_that_spaces_case_or_composed_letters_tell_apart_are_one(labelled):
    file = labelled / "labels.csv"
    text = file.read_text()
    file.write_text(text.replace("s3,X", "s3,x"))
    assert "found sites 'X' and 'x', expected one spelling a site" in "".join(check_folder(labelled).problems)
    composed, parted = "b\u00f6sartig", "bo\u0308sartig"
    file.write_text(text.replace("tumour", composed, 1).replace("tumour", parted))
    assert "expected one spelling a class" in "".join(check_folder(labelled).problems)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("images/none.png,normal,s9,X", "found no file"),
        ("images/empty.png,normal,s9,X", "found an empty file"),
        ("images/odd.xyz,normal,s9,X", "found an unknown format"),
        ("images/a.png,normal,s1,X", r"found images/a\.png twice \(also line 2\)"),
        ("images/a.png,tumour,s1,X", r"label 'tumour' and 'normal' \(also line 2\)"),
        ("images/e.png,,s9,X", "found no label"),
        ("images/e.png,normal,,X", "found no subject"),
        ("images/e.png,normal,s9", "found 3 cells, expected 4"),
        ("images/e.png,normal,s9,", "found no site"),
    ],
)
def test_faulty_rows_are_named_with_their_line(labelled, line, message):
    _png(labelled / "images" / "e.png")
    (labelled / "images" / "empty.png").touch()
    (labelled / "images" / "odd.xyz").write_text("x")
    _append(labelled, line)
    with pytest.raises(UserError, match=message) as caught:
        list_folder(labelled)
    assert "labels.csv, line 6" in str(caught.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('"images/e.png,normal,s9,X\nimages/f.png,normal,s9,X', "found 1 cells, expected 4"),
        ("images/e.png,nor\x85mal,s9,X", "found a control character"),
    ],
)
def test_what_breaks_a_row_is_told_at_its_first_line(labelled, line, message):
    _append(labelled, line)
    (problem,) = check_folder(labelled).problems
    assert "labels.csv, line 6: " + message in problem


def test_a_comment_of_several_lines_is_nobodys_business(labelled):
    text = (labelled / "labels.csv").read_text().replace(",X\n", ',X,"one\ntwo"\n').replace(",Y\n", ",Y,\n")
    (labelled / "labels.csv").write_text(text.replace("site\n", "site,comment\n"))
    assert len(list_folder(labelled)) == 4


def test_images_of_rows_that_cannot_be_read_are_not_without_a_row(labelled):
    _png(labelled / "images" / "e.png")
    assert (
        "1 images of the folder have no row (images/e.png)" in unlisted(labelled, check_folder(labelled))[0]
    )
    (labelled / "images" / "e.png").unlink()
    nib.save(nib.AnalyzeImage(np.ones((3, 4, 5), np.int16), np.eye(4)), labelled / "images" / "f.img")
    _append(labelled, "images/f.img,,s9,X")
    assert unlisted(labelled, check_folder(labelled)) == []


def test_scans_beside_a_dicom_series_are_not_passed_over_in_silence(tmp_path):
    for label in "ab":
        folder = tmp_path / label / "s1"
        _png(folder / "preview.png")
        shutil.copy(get_testdata_file("CT_small.dcm"), folder / "x.dcm")
    found = check_folder(tmp_path)
    assert [item.path.name for item in found.items] == ["s1", "s1"]
    warnings = [line for line in found.warnings if "preview.png beside DICOM files, which alone" in line]
    assert len(warnings) == 2


def test_all_problems_are_collected(labelled):
    for name in ("x", "y"):
        _append(labelled, f"images/{name}.png,normal,s9,X")
    (labelled / "images" / "b.png").write_bytes(b"rubbish")
    problems = check_folder(labelled).problems
    assert len(problems) == 3
    assert sum("b.png" in problem for problem in problems) == 1
    with pytest.raises(UserError, match="and 2 more problems"):
        list_folder(labelled)


def test_spellings_and_single_classes(labelled):
    _append(labelled, "images/e.png,Normal,s9,X")
    _png(labelled / "images" / "e.png")
    with pytest.raises(UserError, match="'Normal' and 'normal'"):
        list_folder(labelled)
    (labelled / "labels.csv").write_text("path,label,subject\nimages/a.png,normal,s1\n")
    with pytest.raises(UserError, match="only the label 'normal'"):
        list_folder(labelled)


def test_missing_columns_and_rows(labelled):
    (labelled / "labels.csv").write_text("path,label\nimages/a.png,normal\n")
    with pytest.raises(UserError, match=r"labels\.csv, line 1: found path,label, expected"):
        list_folder(labelled)
    (labelled / "labels.csv").write_text("path,label,subject\n")
    with pytest.raises(UserError, match="no rows"):
        list_folder(labelled)


def test_several_labels_or_sites_of_a_subject_are_warned_of(labelled):
    _png(labelled / "images" / "e.png")
    _append(labelled, "images/e.png,tumour,s1,Y")
    warnings = check_folder(labelled).warnings
    assert any("several labels (s1: normal, tumour)" in warning for warning in warnings)
    assert any("several sites" in warning for warning in warnings)


def test_folder_a_class(tmp_path):
    _png(tmp_path / "normal" / "01.png")
    _png(tmp_path / "tumour" / "01.png")
    _png(tmp_path / "tumour" / "sub-2" / "t1.png")
    _png(tmp_path / "tumour" / "sub-2" / "late" / "t2.png")
    (tmp_path / "tumour" / "01.json").write_text("{}")
    (tmp_path / ".DS_Store").touch()
    (tmp_path / "normal" / "Thumbs.db").touch()
    found = [(item.label, item.subject, item.path.name) for item in list_folder(tmp_path)]
    assert found == [
        ("normal", "normal/01", "01.png"),
        ("tumour", "tumour/01", "01.png"),
        ("tumour", "tumour/sub-2", "t2.png"),
        ("tumour", "tumour/sub-2", "t1.png"),
    ]


def test_analyze_pair_and_dicom_folder_are_one_item_each(tmp_path):

    for label in ("normal", "tumour"):
        (tmp_path / label).mkdir()
        nib.save(nib.AnalyzeImage(np.zeros((3, 3, 3), np.int16), np.eye(4)), tmp_path / label / "a.img")
    series = tmp_path / "tumour" / "s1"
    series.mkdir()
    shutil.copy(get_testdata_file("MR_small.dcm"), series / "IM1")
    items = list_folder(tmp_path)
    assert [(item.kind, item.path.name) for item in items] == [
        ("analyze", "a.hdr"),
        ("analyze", "a.hdr"),
        ("dicom", "s1"),
    ]


def test_slices_of_one_series_may_not_become_several_subjects(tmp_path):

    _png(tmp_path / "normal" / "a.png")
    (tmp_path / "tumour").mkdir()
    for name in ("1.dcm", "2.dcm"):
        shutil.copy(get_testdata_file("MR_small.dcm"), tmp_path / "tumour" / name)
    with pytest.raises(UserError, match="series in a folder of its own"):
        list_folder(tmp_path)


def test_folders_that_are_none(tmp_path):
    with pytest.raises(UserError, match="found nothing there"):
        list_folder(tmp_path / "none")
    with pytest.raises(UserError, match=r"neither labels\.csv nor folders"):
        list_folder(tmp_path)
    _png(tmp_path / "loose.png")
    _png(tmp_path / "a" / "1.png")
    (tmp_path / "b").mkdir()
    problems = check_folder(tmp_path).problems
    assert any("loose.png" in problem for problem in problems)
    assert any(str(tmp_path / "b") in problem and "no image" in problem for problem in problems)


def _nifti(path, affine=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.zeros((3, 4, 5), np.int16), np.eye(4) if affine is None else affine), path)
    return path


@pytest.mark.parametrize(
    "name", ["s0_seg.nii.gz", "s0-Mask.nii", "s0.label.nii.gz", "labels.png", "s0_LESION.npy"]
)
def test_label_maps_in_class_folders_are_a_problem(tmp_path, name):
    for subject in ("normal/s0", "tumour/s0", "tumour/s1"):
        _png(tmp_path / subject / "s0_t1.png")
    place = tmp_path / "tumour" / "s0" / name
    place.write_bytes((tmp_path / "normal" / "s0" / "s0_t1.png").read_bytes())
    report = check_folder(tmp_path)
    assert f"found 1 file named like a label map (tumour/s0/{name})" in report.problems[0]
    place.rename(tmp_path / "tumour" / name)  # a subject of its own, so it seems
    assert f"(tumour/{name})" in check_folder(tmp_path).problems[0]


@pytest.mark.parametrize(
    "name", ["labelled.png", "s0_masked.png", "lesional.png", "seg_t1.png", "unmask.png"]
)
def test_other_names_are_no_label_maps(tmp_path, name):
    _png(tmp_path / "normal" / "a.png")
    _png(tmp_path / "tumour" / name)
    report = check_folder(tmp_path)
    assert (report.problems, report.warnings) == ([], [])


def test_labels_csv_may_list_files_named_like_label_maps(tmp_path):
    _png(tmp_path / "a_seg.png")
    _png(tmp_path / "b_seg.png")
    (tmp_path / "labels.csv").write_text("path,label,subject\na_seg.png,x,1\nb_seg.png,y,2\n")
    assert check_folder(tmp_path).problems == []


def test_several_scans_of_a_subject_are_warned_of_and_kept(tmp_path):
    _png(tmp_path / "normal" / "sub-1.png")
    for session in ("ses-1", "ses-2"):
        for subject in ("sub-2", "sub-3"):
            _png(tmp_path / "tumour" / subject / session / f"{session}_T1w.png")
    report = check_folder(tmp_path)
    assert report.problems == []
    assert len(report.items) == 5
    assert [w for w in report.warnings if "labels.csv" in w] == [
        f"DATA={tmp_path}: 2 subjects have several scans, each taken for a sample "
        "(tumour/sub-2: ses-1_T1w.png, ses-2_T1w.png); labels.csv can say which are"
    ]


@pytest.mark.parametrize("labels", [True, False])
def test_broken_links_are_a_line_each_and_many_are_counted(tmp_path, labels):
    names = [f"{label}/s{n}.nii.gz" for n in range(3) for label in ("normal", "tumour")]
    for name in names[:2]:
        _nifti(tmp_path / name)
    for name in names[2:4]:
        (tmp_path / name).symlink_to("../.git/annex/objects/MD5E-s1")
    if labels:
        rows = [f"{name},{name.split('/')[0]},{n}" for n, name in enumerate(names[:4])]
        (tmp_path / "labels.csv").write_text("\n".join(["path,label,subject", *rows]))
    problems = check_folder(tmp_path).problems
    assert len(problems) == 2
    for name, problem in zip(names[2:4], problems, strict=True):
        assert problem.startswith(f"{tmp_path / name}: found a broken link to ../.git/annex/objects/MD5E-s1")
        assert "`datalad get`" in problem
    for name in names[:2]:
        (tmp_path / name).unlink()
    for name in (*names[:2], *names[4:]):
        (tmp_path / name).symlink_to("nowhere")
    if not labels:
        (problem,) = check_folder(tmp_path).problems
        assert problem.startswith(f"DATA={tmp_path}: found 6 broken links ({tmp_path / 'normal/s0.nii.gz'}, ")
    with pytest.raises(UserError, match="broken link"):
        list_folder(tmp_path)


def test_a_labels_csv_that_is_a_broken_link_is_not_passed_over(tmp_path):
    _png(tmp_path / "normal" / "a.png")
    (tmp_path / "labels.csv").symlink_to("nowhere")
    assert f"{tmp_path / 'labels.csv'}: found a broken link to nowhere" in check_folder(tmp_path).problems[0]


def test_slices_that_were_not_fetched_are_missed(tmp_path):
    _png(tmp_path / "normal" / "a.png")
    series = tmp_path / "tumour" / "s1"
    series.mkdir(parents=True)
    shutil.copy(get_testdata_file("MR_small.dcm"), series / "1.dcm")
    (series / "2.dcm").symlink_to("nowhere")
    (series / "notes.txt").symlink_to("nowhere")
    (problem,) = check_folder(tmp_path).problems
    assert problem.startswith(f"{series / '2.dcm'}: found a broken link") or f"{series}: found" in problem
    (series / "1.dcm").unlink()
    (problem,) = check_folder(tmp_path).problems
    assert problem.startswith(f"{series / '2.dcm'}: found a broken link to nowhere")


@pytest.mark.parametrize("closed", ["tumour", "tumour/s1"])
def test_a_folder_that_may_not_be_read_is_one_problem(tmp_path, monkeypatch, closed):
    _png(tmp_path / "normal" / "a.png")
    _png(tmp_path / "tumour" / "s1" / "b.png")
    iterdir = Path.iterdir

    def refuse(path):
        if path == tmp_path / closed:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return iterdir(path)

    monkeypatch.setattr(Path, "iterdir", refuse)
    (problem,) = check_folder(tmp_path).problems
    assert problem == (
        f"{tmp_path / closed}: found what cannot be read (Permission denied), "
        "expected a file or folder with read permission"
    )


def _analyze(path, header, voxels, value=0):
    path.mkdir(parents=True, exist_ok=True)
    nib.save(nib.AnalyzeImage(np.full((3, 4, 5), value, np.int16), np.eye(4)), path / "temporary.img")
    (path / "temporary.hdr").rename(path / header)
    (path / "temporary.img").rename(path / voxels)


@pytest.mark.parametrize(
    ("header", "voxels"), [("S0.HDR", "S0.IMG"), ("s0.hdr", "s0.IMG"), ("S0.HDR", "S0.img")]
)
def test_analyze_pairs_in_capitals_are_one_item_and_hashed_whole(tmp_path, header, voxels):
    data = tmp_path / "data"
    for value, label in enumerate(("normal", "tumour")):
        _analyze(data / label, header, voxels, value)
    items = list_folder(data)
    assert [item.path.name for item in items] == [header, header]
    assert [read(item.path).array.max() for item in items] == [0, 1]
    assert len(set(hash_all([item.path for item in items], tmp_path / "h.json"))) == 2
    assert len(set(hash_all([data / "tumour" / n for n in (header, voxels)], tmp_path / "h.json"))) == 1
    assert read(data / "tumour" / voxels).array.max() == 1
    rows = (f"tumour/{header},tumour,1", f"tumour/{voxels},tumour,1", f"normal/{voxels},normal,2")
    (data / "labels.csv").write_text("\n".join(["path,label,subject", *rows]))
    (problem,) = check_folder(data).problems
    assert "twice" in problem


def _dicom(path, patient, series):
    path.parent.mkdir(parents=True, exist_ok=True)
    data = pydicom.dcmread(get_testdata_file("MR_small.dcm"))
    data.PatientID, data.SeriesInstanceUID = patient, f"1.2.3.{series}"
    data.save_as(path)


def test_each_patient_under_several_subjects_is_warned_of_once(tmp_path):
    patients = {
        "normal/a": "1",
        "normal/b": "11",
        "tumour/c": "1",
        "tumour/d": "11",
        "tumour/e": "1",
        "tumour/f": "2",
    }
    for series, (subject, patient) in enumerate(patients.items()):
        _dicom(tmp_path / f"{subject}.dcm", patient, series)
    found = [w for w in check_folder(tmp_path).warnings if "PatientID also stands in" in w]
    assert len(found) == 2  # also of patient 1, whose number stands in that of 11
    assert f"{tmp_path}/tumour/c.dcm of subject tumour/c" in found[0]
    assert f"{tmp_path}/normal/a.dcm of subject normal/a and of 1 more subject" in found[0]
    assert "subject tumour/d" in found[1]


def test_warnings_reach_who_listens_and_are_few(tmp_path):
    tilted = np.eye(4)
    tilted[1, 2] = np.tan(np.deg2rad(10))
    for number in range(5):
        _nifti(tmp_path / "normal" / f"{number}.nii", tilted)
    _nifti(tmp_path / "tumour" / "a.nii")
    list_folder(tmp_path)  # nobody listens
    with collected_warnings() as heard:
        list_folder(tmp_path)
    assert len(check_folder(tmp_path).warnings) == 5
    assert heard == [
        *check_folder(tmp_path).warnings[:3],
        "2 more such warnings: `make check` lists them",
    ]
    assert "found axes 10.0 degrees off the right angle" in heard[0]
    assert str(tmp_path / "normal" / "0.nii") in heard[0]


def _noise(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (16, 16), np.uint8)).save(path)


@pytest.mark.parametrize("names", [("train", "val"), ("Training", "Testing"), ("TRAIN", "valid", "test")])
def test_folders_around_the_classes_are_an_official_split(tmp_path, names):
    for number, part in enumerate(names):
        for label in ("HC", "PD"):
            _png(tmp_path / part / label / f"{label}{number}.png")
    items = list_folder(tmp_path)
    assert {item.label for item in items} == {"HC", "PD"}
    assert len({item.subject for item in items}) == 2 * len(names)
    expected = {"t": "train", "v": "validation"}
    for item in items:
        part = item.path.parts[-3].lower()
        assert item.part == ("test" if part.startswith("test") else expected[part[0]])


def test_an_official_split_reaches_the_folds(tmp_path):
    seed = 0
    for part, n in (("train", 12), ("val", 2), ("test", 3)):
        for label in ("HC", "PD"):
            for number in range(n):
                _noise(tmp_path / "data" / part / label / f"{part}{number}.png", seed := seed + 1)
    dataset = open_cached(build_cache(tmp_path / "data", Grid((8, 8)), tmp_path / "cache", name="own"))
    assert dataset.classes == ("HC", "PD")
    assert dataset.details["official split"] == "train 24, validation 4, test 6"
    (fold,) = folds(dataset, 1, seed=0)
    assert [len(part) for part in (fold.train, fold.validation, fold.test)] == [24, 4, 6]
    assert all(subject.startswith("test/") for subject in dataset.subjects[fold.test])


def test_names_in_several_parts_are_warned_of(tmp_path):
    for part in ("train", "test"):
        for label in ("HC", "PD"):
            _png(tmp_path / part / label / "01.png")
    (warning,) = check_folder(tmp_path).warnings
    assert "2 names stand in several of train, validation, test (HC/01, PD/01)" in warning


def test_a_folder_beside_the_parts_is_a_problem(tmp_path):
    for name in ("train/HC", "train/PD", "test/HC", "test/PD"):
        _png(tmp_path / name / f"{name[:2]}.png")
    _png(tmp_path / "predict" / "x.png")
    assert any("predict: found a folder beside the parts" in line for line in check_folder(tmp_path).problems)


def test_each_part_has_each_class(tmp_path):
    for name in ("train/HC/a", "train/PD/b", "test/HC/c"):
        _png(tmp_path / f"{name}.png")
    assert check_folder(tmp_path).problems == [
        f"DATA={tmp_path}: found no image of PD in test, expected some of each class"
    ]


def _split(folder, *rows):
    """Give the images a split, in the order of their names; returns the text."""
    lines = [f"images/{name}.png,{row}" for name, row in zip("abcd", rows, strict=True)]
    text = "\n".join(["path,label,subject,split", *lines]) + "\n"
    (folder / "labels.csv").write_text(text)
    return text


def test_labels_csv_may_give_the_split(labelled):
    text = _split(labelled, "normal,s1,train", "tumour,s2,Train", "tumour,s3,val", "normal,s1,val")
    assert check_folder(labelled).problems == [
        f"DATA={labelled}: found subject 's1' in train and validation, expected each subject in one part of "
        "the split"
    ]
    (labelled / "labels.csv").write_text(text.replace("s1,val", "s4,holdout"))
    assert "line 5: found split 'holdout', expected one of train" in check_folder(labelled).problems[0]


def test_links_that_lead_in_circles_end(tmp_path):
    """Two links to the folder itself are 2^40 paths."""
    for label in ("normal", "tumour"):
        _png(tmp_path / label / "sub" / "01.png")
        for name in ("again", "and-again"):
            (tmp_path / label / "sub" / name).symlink_to(tmp_path / label / "sub")
    problems = check_folder(tmp_path).problems
    assert len(problems) == 4
    assert all("expected each folder once" in problem for problem in problems)


def test_links_that_fan_out_end(tmp_path):
    """Forty folders, each with two links to the next: 2^40 paths without a circle."""
    for label in ("normal", "tumour"):
        _png(tmp_path / label / "01.png")
    for depth in range(30):
        (tmp_path / "tumour" / "deep" / f"{depth}").mkdir(parents=True)
    for depth in range(29):
        for name in "ab":
            (tmp_path / "tumour" / "deep" / f"{depth}" / name).symlink_to(
                tmp_path / "tumour" / "deep" / f"{depth + 1}"
            )
    assert 29 <= len(check_folder(tmp_path).problems) < 100


def test_a_column_that_stands_twice_is_a_problem(labelled):
    text = (labelled / "labels.csv").read_text()
    (labelled / "labels.csv").write_text(text.replace("subject,site", "subject,Label"))
    assert (
        check_folder(labelled)
        .problems[0]
        .endswith("line 1: found the column label more than once, expected each once")
    )


def test_lines_left_blank_above_the_header_are_no_header(labelled):
    text = (labelled / "labels.csv").read_text()
    before = list_folder(labelled)
    (labelled / "labels.csv").write_text("\n,,,\r\n\n" + text)
    assert list_folder(labelled) == before
    (labelled / "labels.csv").write_text("\n" + text.replace("subject,", "patient,", 1))
    assert "labels.csv, line 2: found path,label,patient" in check_folder(labelled).problems[0]


def test_labels_csv_is_found_in_any_case(labelled):
    (labelled / "labels.csv").rename(labelled / "Labels.CSV")
    assert [item.subject for item in list_folder(labelled)] == ["s1", "s2", "s2", "s3"]
    (labelled / "labels.csv").write_text("path,label\n")
    assert "labels.csv, line 1" in check_folder(labelled).problems[0]


def test_a_split_without_training_images_is_a_problem(labelled):
    _split(labelled, "normal,s1,val", "tumour,s2,val", "tumour,s3,test", "normal,s4,test")
    assert check_folder(labelled).problems == [
        f"DATA={labelled}: found a split without train, expected images to train on"
    ]


def test_subjects_that_differ_in_case_alone_are_warned_of(labelled):
    _png(labelled / "images" / "e.png")
    _append(labelled, "images/e.png,normal,S1,X")
    (warning,) = check_folder(labelled).warnings
    assert "subjects 'S1' and 's1' are taken for different ones" in warning


def test_numbers_at_the_end_of_names_are_kept():
    names = ("scan.001", "scan.002", "1.2.840.1", "1.2.840.2", "a.dcm", "b.nii.gz")
    assert [stem_of(Path(name)) for name in names] == [*names[:4], "a", "b"]
