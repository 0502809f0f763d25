"""Every state file, cut off at every byte of its last record or filled with zeros."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bench.commands.status import status
from bench.data.caches import cached_dataset
from bench.data.dataset import Dataset
from bench.sweep import journal, run_directory
from bench.sweep.journal import Journal
from bench.sweep.state import State
from tuning.training import Checkpoint

RECORDS = [("started", {"piece": f"trial/compact/0/{n}", "values": {"rate": 0.1 * n}}) for n in range(3)]


def damages(content: bytes, start: int, block: int = 64) -> Iterator[bytes]:
    """A file's content cut at every byte from `start`, filled with zeros from there, and with a hole there."""
    for place in range(start, len(content)):
        yield content[:place]
        if any(content[place:]):
            yield content[:place] + bytes(len(content) - place)
        hole = content[place : place + block]
        if any(hole):
            yield content[:place] + bytes(len(hole)) + content[place + len(hole) :]


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """A run folder whose journal holds `RECORDS`."""
    opened = Journal(tmp_path / "run")
    for event, content in RECORDS:
        opened.append(event, **content)
    opened.close()
    return tmp_path / "run"


def test_a_journal_damaged_anywhere_in_its_last_record_keeps_the_others_and_goes_on(recorded):
    path = recorded / journal.FILE
    whole = path.read_bytes()
    start = whole.rstrip(b"\n").rfind(b"\n") + 1
    before = journal.read(path)[0][:-1]
    for content in damages(whole, start):
        path.write_bytes(content)
        opened = Journal(recorded)
        assert opened.events == before
        assert bool(opened.dropped) == (len(content) > start), "what was dropped is said"
        assert all(path.name in text for text in opened.dropped)
        opened.append("done", piece="trial/compact/0/2", result={})
        opened.close()
        events, _, _ = journal.read(path)
        assert [event["event"] for event in events] == ["started", "started", "done"]


def test_a_hole_in_the_middle_of_a_journal_costs_the_records_that_it_touches(recorded):
    path = recorded / journal.FILE
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + bytes(len(lines[1]) - 1) + b"\n" + lines[2])
    opened = Journal(recorded)
    opened.close()
    assert [event["piece"] for event in opened.events] == ["trial/compact/0/0", "trial/compact/0/2"]
    assert opened.dropped == [f"journal.jsonl line 2: damaged, {len(lines[1]) - 1} bytes"]


def test_a_journal_of_zeros_is_an_empty_one(recorded):
    path = recorded / journal.FILE
    path.write_bytes(bytes(path.stat().st_size))
    opened = Journal(recorded)
    assert opened.events == []
    assert len(opened.dropped) == 1
    opened.append("sweep")
    opened.close()
    assert [event["event"] for event in journal.read(path)[0]] == ["sweep"]


def test_a_damaged_checkpoint_is_none_or_the_whole_one(tmp_path):
    checkpoint = Checkpoint(tmp_path / "trial.npz")
    state = [np.arange(5, dtype=np.float32), np.array(7, dtype=np.int64)]
    history = [{"epoch": 1, "loss": 0.5}]
    checkpoint.save(state, history)
    whole = checkpoint.path.read_bytes()
    read = 0
    for content in damages(whole, 0):
        checkpoint.path.write_bytes(content)
        found = checkpoint.load()
        if found is None:
            continue
        # A hole in a part that nobody needs, such as a date, does no harm.
        read += 1
        np.testing.assert_equal(found[0], state)
        assert found[1] == history
    assert read < len(whole) / 10


def test_a_damaged_checkpoint_is_dropped_with_a_word(tmp_path, said):
    from bench.commands.preconditions import drop_damaged_checkpoints

    work = tmp_path / "work"
    for name in ("whole", "damaged"):
        Checkpoint(work / f"{name}.npz").save([np.zeros(3)], [])
    path = work / "damaged.npz"
    path.write_bytes(path.read_bytes()[:-1])
    drop_damaged_checkpoints(tmp_path, said)
    assert [file.name for file in work.iterdir()] == ["whole.npz"]
    assert len(said.lines) == 1
    assert str(path) in said.lines[0]


@pytest.fixture
def said():
    """A display that keeps what it is told."""

    class Display:
        def __init__(self) -> None:
            self.lines: list[str] = []

        def say(self, text: str) -> None:
            self.lines.append(text)

    return Display()


def test_a_file_that_the_journal_names_is_trusted_only_as_it_was_written(tmp_path):
    path = tmp_path / "predictions" / "refit.npz"
    path.parent.mkdir()
    np.savez(path, probabilities=np.ones((2, 2)))
    whole = path.read_bytes()
    entry = {"path": "predictions/refit.npz", "sha256": run_directory.sha256_of(path)}
    done = {"event": "done", "piece": "refit/compact/0/0/1", "result": {"files": {"predictions": entry}}}
    state = State.replay([done])
    assert run_directory.verify_files(tmp_path, state) == {}
    for content in damages(whole, 0):
        path.write_bytes(content)
        assert list(run_directory.verify_files(tmp_path, state)) == ["refit/compact/0/0/1"]
    path.unlink()
    assert "missing" in run_directory.verify_files(tmp_path, state)["refit/compact/0/0/1"]


def test_a_damaged_note_of_progress_stops_nobody(tmp_path):
    (tmp_path / "work").mkdir()
    identity, plan = {"task": "digits"}, {"candidates": [], "preset": "smoke", "tuner": "random"}
    plan |= {"trials": 2, "seeds": 1, "folds": 1, "metric": "accuracy", "references": []}
    opened = Journal(tmp_path)  # held: the sweep is running
    opened.append("sweep", identity=identity, plan=plan, workers=1, command="make bench TASK=digits")
    note = json.dumps({"epoch": 2, "epochs": 3, "pid": 1}).encode()
    for content in damages(note, 0):
        (tmp_path / "work" / "trial-compact-0-1.progress").write_bytes(content)
        assert "in use by process" in status(tmp_path)
    opened.close()


def _small_dataset() -> Dataset:
    rng = np.random.default_rng(0)
    x = rng.random((3, 2, 2, 1), dtype=np.float32)
    return Dataset(
        name="small",
        x=x,
        y=np.array([0, 1, 0]),
        subjects=np.array(["a", "b", "c"]),
        classes=("no", "yes"),
        fingerprint="0123",
        provenance="made by a test",
    )


def _save_small(folder: Path) -> None:
    cached_dataset.save_dataset(_small_dataset(), folder)


@pytest.mark.parametrize("name", ["x.npy", "arrays.npz", "meta.json", "headers.json", "checked.json"])
def test_a_damaged_cache_folder_is_noticed_and_made_again(tmp_path, name):
    folder, path = tmp_path / "cache", tmp_path / "cache" / name
    expected = cached_dataset.open_cached(cached_dataset.ensure(folder, _save_small))
    whole, noticed = path.read_bytes(), []
    for content in damages(whole, 0):
        path.write_bytes(content)
        os.utime(folder / "x.npy")  # so that the samples are looked at again
        try:
            found = cached_dataset.open_cached(folder)
        except cached_dataset.DamagedCacheError as error:
            noticed.append(str(error))
            continue
        np.testing.assert_array_equal(found.x, expected.x)
        np.testing.assert_array_equal(found.y, expected.y)
        assert found.classes == expected.classes
    if name in ("x.npy", "arrays.npz", "meta.json"):  # the others are not read, or only save time
        assert len(noticed) > 2 * len(whole)
        assert all(name in text for text in noticed)
        path.write_bytes(whole[:-2])
        np.testing.assert_array_equal(
            cached_dataset.open_cached(cached_dataset.ensure(folder, _save_small)).y, expected.y
        )
        assert path.read_bytes() == whole
