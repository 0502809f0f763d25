"""Reports of made sweeps: what stands in them, for whole, half-done and failed ones."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from made_sweeps import Sweep
from sklearn.metrics import accuracy_score

from bench import report
from bench.errors import UserError


def _rows(reports: Path, task: str = "toy") -> dict[str, dict]:
    with open(reports / f"{task}.csv", newline="") as file:
        return {row["architecture"]: row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[Path, Path]:
    """Run folder and reports of a finished sweep of two folds with its dataset at hand."""
    base = tmp_path_factory.mktemp("whole")
    folder = Sweep(folds=2, notes=["site predicts label | AUC 0.9"]).write(base / "run", cache=True)
    report.write(folder, base / "reports")
    return folder, base / "reports"


def test_csv_begins_with_the_promised_columns(whole):
    header = (whole[1] / "toy.csv").read_text().splitlines()[0].split(",")
    promised = (
        "task,architecture,kind,metric,validation,test,test_low,test_high,accuracy,parameters,macs,inference_ms,"
        "inference_p95_ms,training_seconds,trials_done,trials_planned,seeds,folds,status"
    )
    assert header[:19] == promised.split(",")


def test_the_test_column_is_the_mean_over_seeds_of_pooled_folds(whole):
    by_seed = []
    for seed in (1, 2):
        y, told = [], []
        for path in sorted(whole[0].glob(f"predictions/refit-large-*-{seed}.npz")):
            with np.load(path) as stored:
                y.append(stored["y"])
                told.append(stored["probabilities"].argmax(axis=1))
        assert len(y) == 2
        by_seed.append(accuracy_score(np.concatenate(y), np.concatenate(told)))
    found = _rows(whole[1])["large"]
    assert float(found["test"]) == pytest.approx(np.mean(by_seed), abs=1e-6)
    assert float(found["test_low"]) < float(found["test"]) < float(found["test_high"])
    assert float(found["seed_spread"]) == pytest.approx(np.std(by_seed, ddof=1), abs=1e-6)
    assert float(found["optimism"]) == pytest.approx(
        float(found["validation"]) - float(found["test"]), abs=1e-6
    )
    assert (found["trials_done"], found["trials_planned"], found["seeds"], found["folds"]) == (
        "6",
        "6",
        "2",
        "2",
    )
    assert found["status"] == "done"


def test_the_page_answers_first_and_names_everything(whole):
    page = (whole[1] / "toy.md").read_text()
    assert page.index("**Answer.** **The large one** is the best") < page.index("## Table")
    assert "> **Note.** site predicts label \\| AUC 0.9" in page
    for text in (
        "0123456789abcdef",
        "make bench TASK=toy",
        "A processor",
        "keras 3.15",
        "One thread did it at 200 GFLOP/s.",
        "cannot convert",
        "voxel",
    ):
        assert text in page
    assert page.count("![") == 7
    for path in re.findall(r"!\[[^\]]*\]\(([^)]*)\)", page):
        assert 1000 < (whole[1] / path).stat().st_size < 150_000


def test_tables_have_the_same_number_of_cells_in_every_row(whole):
    _check_tables((whole[1] / "toy.md").read_text())


@pytest.fixture
def without_figures(monkeypatch) -> None:
    """Leave the figures out where only words matter; drawing them is most of the time."""
    monkeypatch.setattr("bench.report.figures.draw", lambda content, folder: {})


def _check_tables(page: str) -> None:
    width = None
    for line in page.splitlines():
        if not line.startswith("|"):
            width = None
            continue
        cells = len(re.findall(r"(?<!\\)\|", line))
        assert width in (None, cells), line
        width = cells


def test_the_same_journal_gives_the_same_bytes(whole, tmp_path):
    report.write(whole[0], tmp_path)
    for name in ("toy.md", "toy.csv", "toy.json", "README.md"):
        assert (tmp_path / name).read_bytes() == (whole[1] / name).read_bytes()


def test_no_temporary_files_stay(whole):
    assert not list(whole[1].rglob("*.tmp"))


def test_json_holds_every_seed_and_fold_and_no_subject(whole):
    text = (whole[1] / "toy.json").read_text()
    found = json.loads(text)
    refits = {
        (r["architecture"], r["fold"], r["seed"]) for r in found["refits"] if r["architecture"] == "large"
    }
    assert refits == {("large", fold, seed) for fold in (0, 1) for seed in (1, 2)}
    assert "patient-" not in text
    assert found["answer"]["best"] == "large"


def test_tensorflow_is_not_imported(whole, tmp_path):
    code = (
        "import sys; from pathlib import Path; from bench import report; report.write(*map(Path, sys.argv[1:]));"
        "print([name for name in ('tensorflow', 'keras', 'keras_tuner') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(whole[0]), str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.usefixtures("without_figures")
def test_half_done_says_how_far_each_is(tmp_path):
    sweep = Sweep(trials=4)
    events = [
        e for e in sweep.events(tmp_path / "run") if not _is(e, "trial/small/0/3", "refit/small", "latency")
    ]
    events = [e for e in events if not _is(e, "refit/large/0", "timing/small") or e["piece"].endswith("/1")]
    report.write(sweep.write(tmp_path / "run", events), tmp_path)
    page, found = (tmp_path / "toy.md").read_text(), _rows(tmp_path)
    assert "3 of 4 trials" in page
    assert "1 of 2 seeds" in page
    assert "**Not finished**" in page
    assert found["small"]["status"] == found["large"]["status"] == "unfinished"
    assert found["small"]["test"] == ""
    _check_tables(page)


def _is(event: dict, *pieces: str) -> bool:
    return event.get("piece", "").startswith(pieces)


@pytest.mark.usefixtures("without_figures")
@pytest.mark.parametrize("kept", [(), ("space",), ("space", "trial"), ("reference",)])
def test_whatever_little_there_is_makes_a_report(tmp_path, kept):
    sweep = Sweep()
    events = [e for e in sweep.events(tmp_path / "run") if e["event"] == "sweep" or _is(e, *kept)]
    page = report.write(sweep.write(tmp_path / "run", events), tmp_path).read_text()
    expected = {
        (): "nothing has been trained",
        ("space",): "nothing has been trained",
        ("space", "trial"): "leads",
    }
    assert expected.get(kept, "nothing else has been tested") in page
    _check_tables(page)


@pytest.mark.parametrize(
    "sweep",
    [
        Sweep(networks={"only": 0.9}, references={}),
        Sweep(networks={}, references={"rbf_svm": 0.9, "nearest": 0.5}),
        Sweep(classes=tuple("0123456789")),
        Sweep(metric="balanced_accuracy", classes=("early", "middle", "late"), seeds=1),
        Sweep(metric="auc"),
        Sweep(metric="log_loss"),
    ],
    ids=["one network", "references only", "ten classes", "one seed", "AUC", "less is better"],
)
def test_all_shapes_of_sweeps(tmp_path, sweep):
    page = report.write(sweep.write(tmp_path / "run", cache=True), tmp_path).read_text()
    _check_tables(page)
    assert "**Answer.** **" in page
    assert "nan" not in page


@pytest.mark.usefixtures("without_figures")
def test_an_architecture_that_failed_is_a_row_with_its_reason(tmp_path):
    sweep = Sweep()
    events = []
    for event in sweep.events(tmp_path / "run"):
        if _is(event, "trial/small"):
            reason = "ValueError: bad | shape in /home/someone/code/file.py"
            events.append({"event": "failed", "piece": event["piece"], "reason": reason})
        elif not _is(event, "refit/small", "timing/small"):
            events.append(event)
    page = report.write(sweep.write(tmp_path / "run", events), tmp_path).read_text()
    found = _rows(tmp_path)["small"]
    assert (found["status"], found["trials_failed"]) == ("failed", "3")
    assert "failed: all trials failed: ValueError: bad \\| shape in file.py" in page
    assert "/home" not in page
    assert "**Not finished**" not in page
    _check_tables(page)


@pytest.mark.usefixtures("without_figures")
def test_a_sweep_that_went_on_with_another_device_says_so(tmp_path):
    events = Sweep().events(tmp_path / "run")
    for event in events:
        if _is(event, "trial/small", "refit/small"):
            event["result"]["device"] = "NVIDIA X" if "/0/1" in event["piece"] else "processor"
    page = report.write(Sweep().write(tmp_path / "run", events), tmp_path).read_text()
    assert re.search(r"Networks trained on \| NVIDIA X and processor, whose numbers differ a little", page)


@pytest.mark.usefixtures("without_figures")
def test_missing_weights_are_a_row_with_the_reason(tmp_path):
    sweep = Sweep()
    events = [e for e in sweep.events(tmp_path / "run") if "small" not in e.get("piece", "")]
    events.append({"event": "failed", "piece": "pretrain/small", "reason": "no weights: WEIGHTS=folder"})
    page = report.write(sweep.write(tmp_path / "run", events), tmp_path).read_text()
    assert "failed: no weights: WEIGHTS=folder" in page


@pytest.mark.usefixtures("without_figures")
def test_what_the_next_start_tries_again_is_not_finished_and_has_its_reason(tmp_path):
    last = {"trial/small/0/2", "refit/small/0"}
    events = [
        {"event": "failed", "piece": e["piece"], "reason": "out of memory", "environment": True}
        if _is(e, *last)
        else e
        for e in Sweep().events(tmp_path / "run")
    ]
    page = report.write(Sweep().write(tmp_path / "run", events), tmp_path).read_text()
    found = _rows(tmp_path)["small"]
    assert (found["status"], found["trials_done"], found["trials_failed"]) == ("unfinished", "2", "0")
    assert "out of memory; the next start tries it again" in page


@pytest.mark.usefixtures("without_figures")
def test_missing_weights_leave_the_row_its_title(tmp_path):
    events = Sweep().events(tmp_path / "run")
    candidate = {"name": "small-imagenet", "architecture": "small", "transfer": "imagenet"}
    events[0]["plan"]["candidates"].append(candidate)
    events.append({"event": "failed", "piece": "space/small-imagenet", "reason": "no weights"})
    report.write(Sweep().write(tmp_path / "run", events), tmp_path)
    assert _rows(tmp_path)["small-imagenet"]["title"] == "The small one (imagenet)"


def test_text_from_users_data_is_shown_as_it_is(tmp_path):
    classes = ("a|b", "<img src=x>`code`", "two\nlines *and* $x$")
    sweep = Sweep(classes=classes, provenance="from /home/me/data/set, <b>x</b>", stand_in=True)
    page = report.write(sweep.write(tmp_path / "run", cache=True), tmp_path).read_text()
    _check_tables(page)
    assert "a\\|b" in page
    assert "&lt;img src=x&gt;\\`code\\`" in page
    assert "two lines \\*and\\* \\$x\\$" in page
    assert "<img" not in page
    assert "<b>" not in page
    assert "/home/me" not in page
    assert "/home/me" not in (tmp_path / "toy.json").read_text()
    assert page.index("**Stand-in data.**") < page.index("**Answer.**")


def test_pictures_go_when_the_dataset_goes(tmp_path):
    folder = Sweep().write(tmp_path / "run", cache=True)
    report.write(folder, tmp_path / "reports")
    assert (tmp_path / "reports/toy/samples.png").exists()
    (tmp_path / "cache/made/meta.json").unlink()
    page = report.write(folder, tmp_path / "reports").read_text()
    assert not (tmp_path / "reports/toy/samples.png").exists()
    assert "samples.png" not in page
    assert "front.png" in page


@pytest.mark.usefixtures("without_figures")
def test_a_better_trial_without_refits_leaves_the_tested_one_in_the_table(tmp_path):
    sweep = Sweep(trials=3)
    events = sweep.events(tmp_path / "run")
    more = Sweep(trials=6)
    better = {**sweep.trial("small", 0, 0), "score": 0.99}
    events += [more.sweep(), {"event": "done", "piece": "trial/small/0/3", "result": better}]
    page = report.write(sweep.write(tmp_path / "run", events), tmp_path).read_text()
    found = _rows(tmp_path)["small"]
    assert "a better trial awaits its refits" in page
    assert found["test"] != ""
    assert float(found["validation"]) < 0.99
    assert (found["trials_done"], found["trials_planned"]) == ("4", "6")


@pytest.mark.usefixtures("without_figures")
def test_architectures_of_earlier_commands_stay(tmp_path):
    sweep = Sweep()
    events = [*sweep.events(tmp_path / "run"), sweep.sweep(names=["large"])]
    page = report.write(sweep.write(tmp_path / "run", events), tmp_path).read_text()
    assert "not in the latest command" in page
    assert set(_rows(tmp_path)) == {"small", "large", "rbf_svm"}


@pytest.mark.usefixtures("without_figures")
def test_damaged_predictions_are_named_and_the_rest_stands(tmp_path):
    sweep = Sweep()
    folder = sweep.write(tmp_path / "run")
    path = next((folder / "predictions").glob("refit-large-*-1.npz"))
    path.write_bytes(path.read_bytes()[:100])
    page = report.write(folder, tmp_path).read_text()
    assert f"> **Note.** predictions/{path.name}: not readable" in page
    assert _rows(tmp_path)["large"]["test"] != ""


def test_a_folder_without_a_sweep_is_the_users_error(tmp_path):
    with pytest.raises(UserError, match="found no sweep"):
        report.write(tmp_path, tmp_path)


@pytest.mark.usefixtures("without_figures")
def test_readme_lists_all_tasks(tmp_path):
    for task in ("toy", "other"):
        report.write(Sweep(task=task).write(tmp_path / task), tmp_path / "reports")
    (tmp_path / "reports/strange.json").write_text("[1]")
    page = (tmp_path / "reports/README.md").read_text()
    assert "[toy](toy.md)" in page
    assert "[other](other.md)" in page
    assert page.count("**The large one**") == 2
    assert "strange" not in page
    _check_tables(page)


@pytest.mark.slow
def test_a_journal_of_ten_thousand_trials(tmp_path):
    networks = dict.fromkeys("abcdefgh", 0.8)
    folder = Sweep(networks=networks, folds=5, seeds=5, trials=250, epochs=20).write(tmp_path / "run")
    report.write(folder, tmp_path)
    assert (
        sum(int(row["trials_done"]) for row in _rows(tmp_path).values() if row["kind"] == "network") == 10_000
    )
