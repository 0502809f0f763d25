"""What a worker says of itself while it works."""

import json
import time

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
