"""What is renamed into place is on the disk, its content and its name, before anybody relies on it."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from bench.data.caches.cached_dataset import save_dataset
from bench.data.dataset import Dataset
from bench.sweep.journal import FILE, Journal
from bench.worker.files import save
from tuning import durable
from tuning.training import Checkpoint


@pytest.fixture
def calls(monkeypatch) -> list[tuple[str, Path]]:
    """What is synced and renamed, in order."""
    found: list[tuple[str, Path]] = []
    fsync, replace = os.fsync, os.replace

    def synced(descriptor) -> None:
        found.append(("sync", Path(os.readlink(f"/proc/self/fd/{descriptor}"))))
        fsync(descriptor)

    def replaced(source, target) -> None:
        found.append(("rename", Path(source)))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    return found


def a_checkpoint(path: Path) -> None:
    Checkpoint(path).save([np.zeros(3)], [])


def predictions(path: Path) -> None:
    description = {"folder": str(path.parents[1]), "piece": path.stem}
    save(description, path.parent.name, path.suffix, lambda file: np.savez(file, y=[1]))


def a_cache(path: Path) -> None:
    path.parent.mkdir(parents=True)
    dataset = Dataset(
        x=np.zeros((2, 3), np.float32), y=np.array([0, 1]), subjects=np.array(["a", "b"]),
        classes=("no", "yes"), name="made", fingerprint="1", provenance="made",
    )  # fmt: skip
    save_dataset(dataset, path)


@pytest.mark.parametrize("write", [a_checkpoint, predictions, a_cache])
def test_content_is_synced_before_its_rename_and_the_folder_after(tmp_path, calls, write):
    path = tmp_path / "new" / "folder" / "item.npz"
    write(path)
    [place] = [place for place, (what, _) in enumerate(calls) if what == "rename"]
    assert ("sync", calls[place][1]) in calls[:place]
    assert ("sync", path.parent) in calls[place:]
    assert path.exists()


def test_a_new_run_folder_and_its_journal_are_on_the_disk(tmp_path, calls):
    folder = tmp_path / "runs" / "digits"
    Journal(folder).close()
    assert {("sync", tmp_path), ("sync", tmp_path / "runs")} <= set(calls)
    assert calls[-1] == ("sync", folder)
    assert (folder / FILE).exists()


@pytest.mark.parametrize(("number", "known"), [(errno.EINVAL, True), (errno.EIO, False)])
def test_a_file_system_that_cannot_sync_folders_is_used_all_the_same(tmp_path, monkeypatch, number, known):
    def fails(_) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fails)
    if known:
        durable.sync(tmp_path)
    else:
        with pytest.raises(OSError, match="error"):
            durable.sync(tmp_path)
