"""What a worker says of itself while it works."""

import json
import time

import pytest

from bench.worker import files


def test_who_prepares_data_is_heard(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_SPEAK_SECONDS", 0.01)
    progress = files.Progress({"work": str(tmp_path / "piece"), "stop": str(tmp_path / "stop")})
    note = tmp_path / "piece.progress"
    first = note.read_text()
    with progress.preparing():
        deadline = time.monotonic() + 10
        while note.read_text() == first and time.monotonic() < deadline:
            time.sleep(0.01)
        assert json.loads(note.read_text())["preparing"] > 0
    after = note.read_text()
    time.sleep(0.05)
    assert note.read_text() == after
    progress.epoch({"epoch": 1})
    assert json.loads(note.read_text())["epoch"] == 1


def test_a_folder_that_is_gone_is_not_made_again(tmp_path):
    """A machine that lost the mount would go on alone, and its results be lost."""
    runs = tmp_path / "runs"
    runs.mkdir()
    progress = files.Progress({"work": str(runs / "work" / "piece"), "stop": str(runs / "stop")})
    runs.rename(tmp_path / "moved")
    with pytest.raises(FileNotFoundError):
        progress.epoch({"epoch": 1})
    assert not runs.exists()


def test_a_stop_in_the_last_epoch_comes_too_late(tmp_path):
    """It was thrown away, and with a short BUDGET again and again: such a sweep never ended."""
    (tmp_path / "stop").touch()
    places = {"work": str(tmp_path / "piece"), "stop": str(tmp_path / "stop")}
    for lengths in ({"epochs": 3}, {"epochs": 9, "until": 3}):
        progress = files.Progress({**places, **lengths})
        for epoch in (1, 2):
            with pytest.raises(files.Stopped):
                progress.epoch({"epoch": epoch})
        progress.epoch({"epoch": 3})
