"""Comparing two sweeps: what is called worse, better, unchanged, and what is refused."""

import json
from pathlib import Path

import pytest

# Where the sweeps are made that the tests of the report use too.
from made_sweeps import Sweep

from bench.commands.compare import compare
from bench.errors import UserError
from bench.report import json_report, results


def _json(folder: Path) -> Path:
    path = folder.with_suffix(".json")
    path.write_text(json_report.dumps(json_report.document(results.build(folder))))
    return path


def test_a_sweep_against_itself_is_unchanged(tmp_path):
    folder = Sweep().write(tmp_path / "a")
    text, worse = compare(folder, folder)
    assert not worse
    assert "0 better, 0 worse, 3 unchanged" in text
    assert "Settings, data, versions: the same." in text


def test_other_seeds_of_equal_quality_are_unchanged(tmp_path):
    a = Sweep(networks={"one": 0.8}, references={}).write(tmp_path / "a")
    b = Sweep(networks={"one": 0.8}, references={}, draw=1).write(tmp_path / "b")
    assert not compare(a, b)[1]


def test_what_got_worse_and_better_is_found_and_paired(tmp_path):
    a = Sweep(networks={"up": 0.7, "down": 0.95}, references={}, n_test=300, seeds=5).write(tmp_path / "a")
    b = Sweep(networks={"up": 0.95, "down": 0.7}, references={}, n_test=300, seeds=5, epochs=4).write(
        tmp_path / "b"
    )
    text, worse = compare(a, b)
    assert worse
    lines = {line.split()[0]: line for line in text.splitlines() if "The " in line and "->" in line}
    assert "The down one" in lines["worse"]
    assert "The up one" in lines["better"]
    assert "300 subjects" in lines["worse"]
    assert "not paired" not in text
    assert "preset.epochs: 3 -> 4" in text


def test_a_reports_json_says_the_same_as_its_run_folder(tmp_path):
    a = Sweep().write(tmp_path / "a")
    b = Sweep(networks={"small": 0.5, "large": 0.95}, draw=1).write(tmp_path / "b")
    from_folders, from_files = compare(a, b), compare(_json(a), _json(b))
    assert from_folders == from_files
    assert from_files[1]


def test_what_failed_in_b_counts_as_worse(tmp_path):
    sweep = Sweep()
    a = sweep.write(tmp_path / "a")
    events = [
        {"event": "failed", "piece": e["piece"], "reason": "no memory"}
        if "trial/small" in e.get("piece", "")
        else e
        for e in sweep.events(tmp_path / "b")
        if "refit/small" not in e.get("piece", "")
    ]
    text, worse = compare(a, sweep.write(tmp_path / "b", events))
    assert worse
    assert "failed in B: The small one: all trials failed: no memory" in text


def test_inference_time_counts_only_where_all_rounds_are_far_slower(tmp_path):
    a = Sweep(times={"small": 1.0, "large": 1.0}).write(tmp_path / "a")
    b = Sweep(times={"small": 2.0, "large": 1.2}).write(tmp_path / "b")
    text, worse = compare(a, b)
    assert worse
    assert "The small one: inference ms 1.00 -> 2.00 (x2.00), slower" in text
    assert "The large one: inference ms 1.00 -> 1.20 (x1.20)\n" in text + "\n"
    assert "faster" in compare(b, a)[0]
    assert not compare(b, a)[1]


def test_another_processor_says_nothing_of_time(tmp_path):
    a, sweep = Sweep(times={"small": 1.0}).write(tmp_path / "a"), Sweep(times={"small": 9.0})
    events = sweep.events(tmp_path / "b")
    events[0]["environment"]["processor"] = "Another"
    text, worse = compare(a, sweep.write(tmp_path / "b", events))
    assert not worse
    assert 'environment.processor: "A processor" -> "Another"' in text


@pytest.mark.parametrize(("gflops", "slower"), [(200.0, True), (170.0, True), (50.0, False), (None, True)])
def test_a_machine_that_was_slower_itself_says_nothing_of_time(tmp_path, gflops, slower):
    """Virtual processors of one name are shared and throttled: a fixed matrix product shows it."""
    a = Sweep(times={"small": 1.0}, gflops=200.0).write(tmp_path / "a")
    b = Sweep(times={"small": 4.0}, gflops=gflops).write(tmp_path / "b")
    assert compare(a, b)[1] == slower
    assert (", slower" in compare(a, b)[0]) == slower


def test_other_subjects_are_not_paired(tmp_path):
    a = Sweep(n_test=100).write(tmp_path / "a")
    b = Sweep(subject="volunteer").write(tmp_path / "b")
    assert "not paired" in compare(a, b)[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "other"}, "found task"),
        ({"metric": "auc"}, "found metric"),
        ({"classes": ("x", "y")}, "found classes"),
    ],
)
def test_different_questions_are_refused(tmp_path, change, message):
    a, b = Sweep().write(tmp_path / "a"), Sweep(**change).write(tmp_path / "b")
    with pytest.raises(UserError, match=message):
        compare(a, b)


def test_files_that_are_no_reports_are_refused(tmp_path):
    good = _json(Sweep().write(tmp_path / "a"))
    for content_, message in (("{", "no JSON"), ("[]", "format None"), ('{"format": 99}', "format 99")):
        (tmp_path / "bad.json").write_text(content_)
        with pytest.raises(UserError, match=message):
            compare(good, tmp_path / "bad.json")
    found = json.loads(good.read_text())
    found["predictions"]["samples"][0]["y"] = "AAAA"
    (tmp_path / "bad.json").write_text(json.dumps(found))
    with pytest.raises(UserError, match="damaged predictions"):
        compare(good, tmp_path / "bad.json")
    with pytest.raises(UserError, match="cannot read"):
        compare(good, tmp_path / "missing.json")
    for name in ("rows", "task", "data"):
        (tmp_path / "bad.json").write_text(json.dumps({k: v for k, v in found.items() if k != name}))
        with pytest.raises(UserError, match=f"found no {name}; expected a report's JSON, whole"):
            compare(good, tmp_path / "bad.json")


def test_subjects_of_other_data_may_only_have_the_same_names(tmp_path):
    a = Sweep(n_test=100).write(tmp_path / "a")
    assert "paired over the same subjects" in compare(a, a)[0]
    report = json.loads(_json(a).read_text())
    report["data"]["fingerprint"] = "another"
    (tmp_path / "b.json").write_text(json.dumps(report))
    assert (
        "paired over subjects of the same names; data differ: perhaps others"
        in compare(a, tmp_path / "b.json")[0]
    )


def test_one_seed_on_both_sides_is_no_evidence_of_a_change(tmp_path):
    settings = {"references": {}, "n_test": 300, "seeds": 1}
    a = Sweep(networks={"one": 0.9}, **settings).write(tmp_path / "a")
    b = Sweep(networks={"one": 0.7}, **settings).write(tmp_path / "b")
    text, worse = compare(a, b)
    assert not worse
    assert "seeds unknown" in text
    assert "0 better, 0 worse, 0 unchanged, 1 unknown" in text
    # Another row's seeds show how far they scatter.
    a = Sweep(networks={"one": 0.9, "two": 0.9}, **{**settings, "seeds": 4}).write(tmp_path / "c")
    assert compare(a, b)[1]


def test_other_code_of_an_architecture_is_a_difference(tmp_path):
    sweep, folders = Sweep(), []
    for name, digest in (("a", "1a2b"), ("b", "3c4d")):
        events = sweep.events(tmp_path / name)
        events[0]["candidates"] = {"small": digest, "large": "same"}
        events[0]["identity"]["code"] = {"tuning": name}
        folders.append(sweep.write(tmp_path / name, events))
    text, _ = compare(*folders)
    assert 'architectures.small: "1a2b" -> "3c4d"' in text
    assert "architectures.large" not in text
    assert 'code.tuning: "a" -> "b"' in text
    assert compare(*folders) == compare(*map(_json, folders))
    without = json.loads(_json(folders[0]).read_text())
    del without["code"]  # as in reports of before
    (tmp_path / "before.json").write_text(json.dumps(without))
    assert "architectures." not in compare(tmp_path / "before.json", folders[1])[0]
