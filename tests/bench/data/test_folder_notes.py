"""Warnings about a user's folder reach the console and the report, also when the dataset is in the cache."""

import errno
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file

from bench import tasks
from bench.commands import preconditions, run_sweep
from bench.commands.main import EXIT_USER, main
from bench.errors import UserError
from bench.sweep import run_directory
from bench.sweep.state import State


@pytest.fixture
def one_patient(tmp_path):
    """Images of twelve subjects; two of these are one patient."""
    rng = np.random.default_rng(0)
    for number in range(12):
        path = tmp_path / "data" / ("early", "late")[number % 2] / f"{number}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        data = pydicom.dcmread(get_testdata_file("MR_small.dcm"))
        data.PatientID = str(max(number, 1))
        data.SeriesInstanceUID = f"1.2.3.{number}"
        data.Rows, data.Columns = 109, 91
        data.PixelSpacing = [2.0, 2.0]
        data.PixelData = rng.integers(0, 1000, (109, 91)).astype(np.int16).tobytes()
        data.save_as(path)
    return tmp_path / "data"


class _NoSweep:
    """In the place of a sweep: does no work."""

    interrupted = unfinished = "budget"
    plan = SimpleNamespace(winners=dict)

    def __init__(self, *_):
        pass

    def run(self):
        pass


@pytest.fixture
def bench(tmp_path, monkeypatch, capsys):
    """Run `bench` without training; returns the console's text and the recorded notes."""
    monkeypatch.setattr("bench.sweep.scheduler.Sweep", _NoSweep)
    monkeypatch.setattr("tuning.runtime.import_tensorflow", lambda: None)
    monkeypatch.setattr("bench.measure.environment.environment", dict)
    monkeypatch.setattr(run_sweep, "write_report", lambda *_: tmp_path / "report.md")
    words = ["--runs", str(tmp_path / "runs"), "--reports", str(tmp_path / "reports"), "--workers", "0"]

    def bench(data, *more):
        capsys.readouterr()
        assert main(["bench", "spect", "--data", str(data), "--arch", "vit", *words, *more]) == 0
        folder = run_directory.latest(tmp_path / "runs", "spect")
        return " ".join("".join(capsys.readouterr()).split()), run_directory.load_state(folder).sweep["notes"]

    return bench


def test_one_patient_under_two_subjects_is_said_at_each_start_and_noted(one_patient, bench):
    for more in ((), (), ("--tuner", "grid")):  # new; gone on with; a new run folder of a cached dataset
        said, notes = bench(one_patient, *more)
        assert said.count("PatientID also stands in") == 1
        assert sum("PatientID also stands in" in note for note in notes) == 1


def test_the_dataset_is_checked_once_in_a_run_folder(one_patient, bench, monkeypatch):
    monkeypatch.setattr("bench.data.checks.dataset_check.check_dataset", lambda _: ([], ["a constant image"]))
    _, first = bench(one_patient)
    monkeypatch.setattr(
        "bench.data.checks.dataset_check.check_dataset", lambda _: pytest.fail("checked again")
    )
    said, second = bench(one_patient)
    assert first == second
    assert second[-1] == "a constant image"
    assert "warning: a constant image" in said
    older = State(sweep={"notes": ["all that there was to note"]})
    assert preconditions.check_notes(older, None) == ["all that there was to note"]


@pytest.mark.parametrize("verb", ["check", "bench"])
def test_broken_links_end_with_one_line_and_status_2(tmp_path, verb, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for label in ("normal", "tumour"):
        (tmp_path / "d" / label).mkdir(parents=True)
        (tmp_path / "d" / label / "s0.nii.gz").symlink_to("../.git/annex/objects/x")
    assert main([verb, "mri", "--data", "d"]) == EXIT_USER
    said = capsys.readouterr()
    text = said.out if verb == "check" else said.err
    assert "d/normal/s0.nii.gz: found a broken link to ../.git/annex/objects/x" in text
    assert text.count("\n") == (2 if verb == "check" else 1)
    assert "writable" not in text


def test_a_file_that_vanishes_is_no_question_of_writing(tmp_path, monkeypatch):
    task, data = tasks.load("mri"), tmp_path / "data"

    def load(name):
        monkeypatch.setattr(
            type(task),
            "load",
            lambda *_: Path(name).touch() or _raise(errno.EACCES, "Permission denied", name),
        )
        return run_sweep.load_dataset(task, str(data), tmp_path / "fetched", tmp_path / "runs")

    data.mkdir()
    (tmp_path / "runs").mkdir()
    with pytest.raises(UserError, match=r"cannot be read .*expected a file or folder with read permission"):
        load(str(data / "a.nii"))
    with pytest.raises(UserError, match="expected a writable folder"):
        load(str(tmp_path / "runs" / "x.npy"))


def _raise(number, text, name):
    raise OSError(number, text, name)


def test_a_sagittal_slice_is_no_volume(tmp_path):
    for number, label in enumerate(("normal", "tumour")):
        path = tmp_path / "data" / label / "a.nii"
        path.parent.mkdir(parents=True)
        array = np.random.default_rng(number).random((1, 7, 8)).astype(np.float32)
        nib.save(nib.Nifti1Image(array, np.eye(4)), path)
    with pytest.raises(UserError, match=r"a\.nii: found an image of 8x7, expected a volume"):
        tasks.load("mri").load(str(tmp_path / "data"), tmp_path, tmp_path / "cache")
