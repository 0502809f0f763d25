"""Hidden folders to write in: removed when their owner is gone, and only then."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np

import bench
from bench.data.caches.cached_dataset import ensure, open_cached, save_dataset
from bench.data.caches.scratch_folder import remove_abandoned, workplace
from bench.data.dataset import Dataset

HANG = "lambda x: print('writing', flush=True) or time.sleep(60)"


def dataset(n: int = 4) -> Dataset:
    x = np.arange(n * 6, dtype=np.float32).reshape(n, 3, 2)
    return Dataset("toy", x, np.arange(n) % 2, np.arange(n).astype(str), ("a", "b"), "0", "Made for a test.")


def _writer(folder: Path, transform: str = "None", first: str = "") -> subprocess.Popen[str]:
    """Start a process that saves a dataset; both settings are its source code."""
    code = f"import os, shutil, time, test_scratch_folder as test\n{first}\n"
    code += f"test.save_dataset(test.dataset(), {str(folder)!r}, transform={transform})"
    places = [str(Path(bench.__file__).parents[1]), str(Path(__file__).parent)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places)}
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment)


def _hidden(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob(".*") if path.is_dir())


def test_what_a_killed_process_was_writing_is_removed_but_not_while_it_lives(tmp_path):
    (tmp_path / ".mri-0.building").mkdir()  # of `build_cache`, which goes on from it
    with _writer(tmp_path / "slow", HANG) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "writing\n"
        _, writing = _hidden(tmp_path)
        assert writing.startswith(".slow.")
        ensure(tmp_path / "toy", lambda target: save_dataset(dataset(), target))
        assert _hidden(tmp_path) == [".mri-0.building", writing]
        writer.kill()
    ensure(tmp_path / "toy", lambda target: save_dataset(dataset(), target))
    assert _hidden(tmp_path) == [".mri-0.building"]


def test_what_a_killed_process_had_replaced_is_removed(tmp_path):
    save_dataset(dataset(7), tmp_path / "toy")
    killed = "shutil.rmtree = lambda *_, **__: os.kill(os.getpid(), 9)"
    with _writer(tmp_path / "toy", first=killed) as writer:
        assert writer.wait() == -signal.SIGKILL
    assert len(list(tmp_path.glob(".toy.*/old/x.npy"))) == 1
    ensure(tmp_path / "toy", lambda target: None)
    assert len(open_cached(tmp_path / "toy").x) == 4
    assert _hidden(tmp_path) == []


def test_a_workplace_never_locked_is_nobodys(tmp_path):
    (tmp_path / ".toy.abc.writing").mkdir()
    (tmp_path / ".toy.old.other").mkdir()
    with workplace(tmp_path / "toy") as mine:
        remove_abandoned(tmp_path)
        assert _hidden(tmp_path) == sorted([mine.name, ".toy.old.other"])
    assert _hidden(tmp_path) == [".toy.old.other"]
    remove_abandoned(tmp_path / "nowhere")


def test_several_may_save_the_same_at_the_same_time(tmp_path):
    errors: list[BaseException] = []

    def save_often() -> None:
        try:
            for _ in range(10):
                remove_abandoned(tmp_path)
                save_dataset(dataset(), tmp_path / "toy")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=save_often) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    np.testing.assert_array_equal(open_cached(tmp_path / "toy").x, dataset().x)
    assert _hidden(tmp_path) == []
