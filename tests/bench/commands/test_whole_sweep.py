"""A sweep from data to report on the digits stand-in, and everything that going on with it promises."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow  # noqa: F401 - so that the session is set up for it
from fake_workers import settings_for

from bench.commands.run_sweep import bench
from bench.data.folders.resampled_folder import READING_VERSION
from bench.sweep import journal, run_directory
from bench.sweep.progress import Display
from bench.sweep.settings import Settings
from bench.tasks.digits import task
from bench.worker import execute
from tuning import training

pytestmark = pytest.mark.slow
REPOSITORY = Path(run_directory.__file__).parents[2]


def settings_in(root: Path, **changed) -> Settings:
    return settings_for(root, task=task, **changed)


@pytest.fixture(scope="module")
def swept(tmp_path_factory) -> tuple[Path, Path]:
    """Root and run folder of a finished smoke sweep of one network: two trials, one refit, three references."""
    root = tmp_path_factory.mktemp("swept")
    assert bench(settings_in(root), Display(quiet=True)) == 0
    return root, run_directory.latest(root / "runs", "digits")


@pytest.fixture
def copied(swept, tmp_path) -> tuple[Path, Path]:
    """A copy to go on with: its root and its run folder."""
    root, folder = swept
    shutil.copytree(root, tmp_path / "copy")
    return tmp_path / "copy", tmp_path / "copy" / folder.relative_to(root)


def events(folder: Path, kind: str | None = None) -> list[dict]:
    return [event for event in journal.read(folder / journal.FILE)[0] if kind in (None, event["event"])]


def outcome_of(folder: Path) -> dict[str, dict]:
    """What the pieces of a run came to, without what may differ between two runs: times."""
    return {
        event["piece"]: {
            "metrics": event["result"].get("metrics"),
            "values": event["result"].get("values"),
            "files": {
                kind: file["sha256"]
                for kind, file in event["result"].get("files", {}).items()
                if kind == "predictions"
            },
            "history": [
                {name: value for name, value in record.items() if name != "seconds"}
                for record in event["result"].get("history", [])
            ],
        }
        for event in events(folder, "done")
    }


def test_a_sweep_ends_with_a_report_and_everything_on_record(swept):
    root, folder = swept
    assert (root / "reports" / "digits.md").is_file()
    [sweep] = events(folder, "sweep")
    assert sweep["dataset"]["reading_version"] == READING_VERSION
    keys = [event["piece"] for event in events(folder, "done")]
    references = [f"reference/{name}/0" for name in task.references]
    first = ["stage/compact/0/0/0/0", "stage/compact/0/1/0/0"]
    assert keys[:6] == ["space/compact", *references, *first]
    assert [key.split("/")[0] for key in keys[6:]] == ["trial", "stage", "trial", "refit"]
    state = run_directory.load_state(folder)
    assert run_directory.verify_files(folder, state) == {}
    assert {path.parent.name for path in folder.rglob("*.*") if path.suffix in (".npz", ".keras")} == {
        "predictions",
        "models",
    }
    assert list((folder / "work").iterdir()) == []
    assert state.done[keys[-1]]["parameters"] <= 20_000
    assert state.done[keys[-1]]["metrics"]["accuracy"] > 0.5


def test_a_finished_sweep_says_so_without_tensorflow(copied):
    root, folder = copied
    before = (folder / journal.FILE).read_bytes()
    code = "import sys; from bench.commands.main import main; status = main(sys.argv[1:])\n"
    code += "print([name in sys.modules for name in ('tensorflow', 'keras_tuner', 'matplotlib')])\n"
    code += "sys.exit(status)"
    report = root / "reports" / "digits.md"
    written = report.stat().st_mtime_ns
    words = ["bench", "digits", "--preset", "smoke", "--arch", "compact", "--seeds", "1", "--no-measure"]
    places = ["--runs", root / "runs", "--reports", root / "reports", "--data-folder", root / "data"]
    ended = subprocess.run(
        [sys.executable, "-c", code, *words, *places], capture_output=True, text=True, cwd=REPOSITORY
    )
    assert ended.returncode == 0, ended.stderr
    assert "is finished: nothing is left to run" in ended.stderr
    assert ended.stdout == "[False, False, False]\n"
    assert report.stat().st_mtime_ns == written  # it speaks of this journal already
    assert (folder / journal.FILE).read_bytes() == before


def test_a_picture_that_is_gone_is_drawn_again(copied):
    root, _ = copied
    pictures = sorted((root / "reports" / "digits").glob("*.png"))
    assert pictures
    pictures[0].unlink()
    assert bench(settings_in(root), Display(quiet=True)) == 0
    assert pictures[0].is_file()


def test_more_trials_run_the_new_ones_only(copied):
    root, folder = copied
    before = {event["piece"] for event in events(folder, "done")}
    bench(settings_in(root, trials=3), Display(quiet=True))
    assert list((root / "runs").glob("digits-*")) == [folder]
    new = {event["piece"] for event in events(folder, "done")[len(before) :]}
    assert "trial/compact/0/2" in new
    assert all(key.split("/")[3] == "2" for key in new)


@pytest.mark.parametrize("damage", ["cut", "zeros", "missing"])
def test_a_damaged_file_is_made_again_to_the_last_bit(copied, damage):
    root, folder = copied
    expected = outcome_of(folder)
    [path] = (folder / "predictions").glob("refit-*.npz")
    piece = path.stem.replace("-", "/")
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(content[:-1] if damage == "cut" else b"\0" * len(content))
    bench(settings_in(root), Display(quiet=True))
    assert [event["piece"] for event in events(folder, "dropped")] == [piece]
    assert [event["piece"] for event in events(folder, "done")].count(piece) == 2
    assert outcome_of(folder) == expected
    assert run_directory.verify_files(folder, run_directory.load_state(folder)) == {}


def test_a_trial_that_is_cut_off_goes_on_and_ends_the_same(swept, tmp_path, monkeypatch):
    """Killed after the second epoch of the trial that goes on, and again in the refit: nothing shows."""
    _, whole = swept
    settings = settings_in(tmp_path)
    epochs: list[tuple[str, int]] = []
    kills = [(r"stage-compact-0-\d-1-0", 2), ("refit", 1)]
    original = execute.Progress.epoch

    def epoch(self, record: dict) -> None:
        original(self, record)
        epochs.append((self._path.stem, record["epoch"]))
        if kills and re.match(kills[0][0], self._path.stem) and record["epoch"] == kills[0][1]:
            kills.pop(0)
            raise KeyboardInterrupt

    monkeypatch.setattr(execute.Progress, "epoch", epoch)
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            bench(settings, Display(quiet=True))
    bench(settings, Display(quiet=True))
    folder = run_directory.latest(settings.runs, "digits")
    assert len(epochs) == len(set(epochs)) == 7  # one epoch each, two more of the better, three of the refit
    assert outcome_of(folder) == outcome_of(whole)
    assert list((folder / "work").glob("*.npz")) == []


def test_a_torn_record_costs_that_piece_alone(copied):
    root, folder = copied
    expected = outcome_of(folder)
    lines = (folder / journal.FILE).read_bytes().splitlines(keepends=True)
    last = max(index for index, line in enumerate(lines) if json.loads(line)["event"] == "done")
    (folder / journal.FILE).write_bytes(b"".join(lines[:last]) + lines[last][:-20])
    bench(settings_in(root), Display(quiet=True))
    assert outcome_of(folder) == expected
    assert len(events(folder, "started")) >= 1
    assert [event["piece"] for event in events(folder, "done")].count("trial/compact/0/0") == 1


def test_another_tuner_is_another_folder_and_says_what_differs(copied, monkeypatch):
    root, _ = copied

    def no_sweep(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("bench.commands.run_sweep._sweep", no_sweep)
    said: list[str] = []
    display = Display(quiet=True)
    monkeypatch.setattr(display, "say", said.append)
    with pytest.raises(KeyboardInterrupt):
        bench(settings_in(root, tuner="grid"), display)
    assert any('differs from the last run: tuner: "random" -> "grid"' in line for line in said)
    assert len(list((root / "runs").glob("digits-*"))) == 2
