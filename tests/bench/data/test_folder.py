"""Verification of users' folders: each fault is named with its place."""

import shutil

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from pydicom.data import get_testdata_file

from bench.data.folder import check_folder, list_folder
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
