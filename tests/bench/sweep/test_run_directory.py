"""Which run folder goes with which settings, and what may lie in it."""

import copy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from fake_workers import settings_for

from bench.data.sources import digits_standin
from bench.errors import UserError
from bench.sweep import identity as identity_
from bench.sweep import journal, run_directory
from bench.sweep.identity import differences
from bench.sweep.journal import Journal
from bench.sweep.run_directory import clean, find, verify_files
from bench.sweep.state import State
from bench.tasks import Ablation, Candidate


@pytest.fixture(scope="module")
def dataset():
    return digits_standin.load()


def record(folder, identity, candidates, time: float = 0.0) -> None:
    opened = Journal(folder)
    opened.append(
        "sweep", identity=identity, candidates=candidates, plan={"candidates": [], "references": []}
    )
    opened.close()


def test_what_may_be_raised_is_no_part_of_the_identity(tmp_path, dataset):
    settings = settings_for(tmp_path)
    identity = identity_.identity(settings, dataset)
    for changed in (
        {"trials": 50},
        {"seeds": 9},
        {"folds": 3},
        {"candidates": (Candidate("cnn"),)},
        {"workers": 4},
        {"budget_seconds": 60.0},
    ):
        assert identity_.identity(replace(settings, **changed), dataset) == identity


def test_what_changes_the_meaning_of_results_is(tmp_path, dataset):
    settings = settings_for(tmp_path)
    identity = identity_.identity(settings, dataset)

    class OtherTask(type(settings.task)):
        preprocessing = {"scaling": "grey values in [0, 1]"}

    class OtherSpace(type(settings.task)):
        training_space = settings.task.training_space[:-1]

    others = [
        identity_.identity(replace(settings, tuner="grid"), dataset),
        identity_.identity(replace(settings, preset_name="quick"), dataset),
        identity_.identity(replace(settings, task=OtherTask()), dataset),
        identity_.identity(replace(settings, task=OtherSpace()), dataset),
        identity_.identity(settings, replace(dataset, fingerprint="0" * 16)),
        identity_.identity(replace(settings, preprocess={"crop": False}), dataset),
    ]
    assert all(other != identity for other in others)
    assert all(differences(identity, other) for other in others)


def test_the_same_settings_find_the_same_folder(tmp_path, dataset):
    settings = settings_for(tmp_path)
    identity, digests = identity_.identity(settings, dataset), identity_.candidate_digests(settings)
    folder, differing = find(settings, identity, digests)
    assert differing == []
    assert folder.parent == settings.runs
    assert folder.name.startswith("digits-digits-standin-smoke-")
    record(folder, identity, digests)
    assert find(settings, identity, digests) == (folder, [])
    more = replace(settings, candidates=(*settings.candidates, Candidate("cnn")))
    assert find(more, identity, identity_.candidate_digests(more)) == (folder, [])


def test_changed_settings_are_a_new_folder_that_says_what_differed(tmp_path, dataset):
    settings = settings_for(tmp_path)
    identity, digests = identity_.identity(settings, dataset), identity_.candidate_digests(settings)
    first, _ = find(settings, identity, digests)
    record(first, identity, digests)
    changed = copy.deepcopy(identity)
    changed["preset"]["epochs"] = 99
    changed["versions"]["keras"] = "3.99"
    folder, differing = find(settings, changed, digests)
    assert folder != first
    assert sorted(differing) == sorted(
        [
            f"preset.epochs: {identity['preset']['epochs']} -> 99",
            f'versions.keras: "{identity["versions"]["keras"]}" -> "3.99"',
        ]
    )


def test_a_changed_architecture_is_a_new_folder_with_the_reason(tmp_path, dataset):
    settings = settings_for(tmp_path)
    identity, digests = identity_.identity(settings, dataset), identity_.candidate_digests(settings)
    first, _ = find(settings, identity, digests)
    record(first, identity, digests)
    second, differing = find(settings, identity, {"compact": "changed"})
    assert second.name == f"{first.name}-2"
    assert differing == ["compact: its content has changed"]
    record(second, identity, {"compact": "changed"})
    assert find(settings, identity, {"compact": "changed"}) == (second, [])
    assert find(settings, identity, digests) == (first, [])
    third, _ = find(settings, identity, {"compact": "again"})
    record(third, identity, {"compact": "again"})
    (first / journal.FILE).unlink()
    (first / "lock").unlink()
    first.rmdir()
    assert find(settings, identity, {"compact": "once more"})[0] not in (second, third)


def test_a_dataset_may_have_brackets_in_its_name(tmp_path, dataset):
    settings, odd = settings_for(tmp_path), replace(dataset, name="scans[1]*?")
    identity, digests = identity_.identity(settings, odd), identity_.candidate_digests(settings)
    first, _ = find(settings, identity, digests)
    record(first, identity, digests)
    assert find(settings, identity, digests) == (first, [])
    second, differing = find(settings, identity, {"compact": "changed"})
    assert second.name == f"{first.name}-2"
    assert differing == ["compact: its content has changed"]


def test_other_weights_from_imagenet_are_a_new_folder(tmp_path, dataset, monkeypatch):
    """But weights that came after a start without them are used in the folder that waits for them."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "nowhere"))
    settings = settings_for(tmp_path, weights=tmp_path, candidates=(Candidate("vgg16", "imagenet"),))
    identity = identity_.identity(settings, dataset)
    first, _ = find(settings, identity, identity_.candidate_digests(settings))
    record(first, identity, identity_.candidate_digests(settings))
    file = tmp_path / identity_.imagenet.FILES["vgg16"]
    file.write_bytes(b"weights")
    digests = identity_.candidate_digests(settings)
    assert find(settings, identity, digests) == (first, [])
    record(first, identity, digests)
    file.write_bytes(b"others")
    second, differing = find(settings, identity, identity_.candidate_digests(settings))
    assert second != first
    assert differing == [f"{file.name}: its content has changed"]
    assert file.name not in identity_.candidate_digests(settings_for(tmp_path, weights=tmp_path))


def test_an_ablation_that_changes_something_else_is_done_again_and_nothing_else():
    task = settings_for(Path()).task
    old = task.but(
        ablations=(Ablation("a", "A", values={"units": 1}), Ablation("b", "B", values={"units": 2}))
    )
    new = task.but(
        ablations=(
            Ablation("a", "A, as it was", values={"units": 1}),
            Ablation("b", "B", values={"units": 3}),
        )
    )
    keys = (
        "ablation/a/vgg16/0/1/1",
        "ablation/b/vgg16/0/1/1",
        "pretrain/vgg16",
        "pretrain/vgg16/b",
        "space/b",
    )
    events = [{"event": "sweep", "ablations": identity_.ablation_digests(old)}]
    events += [{"event": "done", "piece": key, "result": {}} for key in keys]
    events += [{"event": "failed", "piece": "ablation/b/vgg16/0/1/2", "reason": "too narrow"}]
    state = State.replay(events)
    assert run_directory.outdated(state, identity_.ablation_digests(old)) == {}
    found = run_directory.outdated(state, identity_.ablation_digests(new))
    assert set(found) == {"ablation/b/vgg16/0/1/1", "ablation/b/vgg16/0/1/2", "pretrain/vgg16/b"}
    for key in found:
        state.apply({"event": "dropped", "piece": key})
    assert not any(state.settled(key) for key in found)


def test_the_latest_run_is_the_one_recorded_last_wherever_it_is_copied(tmp_path, monkeypatch):
    assert run_directory.latest(tmp_path, "digits") is None
    times: dict[str, float] = {}
    monkeypatch.setattr(
        journal, "time", SimpleNamespace(time=lambda: times["now"], monotonic=lambda: 0.0, strftime=str)
    )
    for number, name in ((200, "digits-a-1"), (100, "digits-b-2"), (300, "mri-c-3")):
        times["now"] = number
        record(tmp_path / name, {}, {})
    assert run_directory.latest(tmp_path, "digits") == tmp_path / "digits-a-1"


def test_differences_name_old_and_new():
    old, new = {"a": 1, "b": {"c": [1, 2], "d": 3}}, {"a": 1, "b": {"c": [1, 3], "e": "x"}}
    assert differences(old, new) == ["b.c: [1, 2] -> [1, 3]", "b.d: 3 -> nothing", 'b.e: nothing -> "x"']
    assert differences(old, old) == []
    assert len(differences({"a": "x" * 500}, {"a": "y"})[0]) < 120


@pytest.fixture
def kept(tmp_path):
    """A run folder with one file that the journal names and several that it does not."""
    from bench.data.sources.download import sha256_of

    for name in ("predictions", "models", "work"):
        (tmp_path / name).mkdir()
    named = tmp_path / "predictions" / "refit-compact-0-0-1.npz"
    named.write_bytes(b"numbers")
    entry = {"path": "predictions/refit-compact-0-0-1.npz", "sha256": sha256_of(named), "bytes": 7}
    state = State()
    state.done = {
        "refit/compact/0/0/1": {"files": {"predictions": entry}},
        "trial/compact/0/0": {"score": 0.5},
    }
    state.failed = {"trial/compact/0/1": "out of memory"}
    return tmp_path, named, state


def test_clean_keeps_what_is_named_and_what_can_be_gone_on_with(kept):
    folder, named, state = kept
    gone = [
        folder / "predictions" / "tmp-123-refit-compact-0-0-1.npz",
        folder / "predictions" / "refit-compact-0-0-2.npz",
        folder / "models" / "refit-compact-0-0-1.keras",
        folder / "work" / "refit-compact-0-0-1.npz",
        folder / "work" / "trial-compact-0-1.progress",
        folder / "work" / "trial-compact-0-2.npz.4711.tmp",
        folder / "stop",
    ]
    stays = [named, folder / "work" / "trial-compact-0-2.npz", folder / "work" / "trial-compact-0-10.npz"]
    for path in (*gone, *stays[1:]):
        path.write_bytes(b"x")
    clean(folder, state)
    assert [path for path in gone if path.exists()] == []
    assert all(path.exists() for path in stays)
    assert verify_files(folder, state) == {}


def test_clean_that_cannot_delete_is_the_users(kept):
    folder, _, state = kept
    (folder / "models" / "a folder").mkdir()
    with pytest.raises(UserError, match="cannot delete"):
        clean(folder, state)


@pytest.mark.parametrize("content", [b"", b"number", b"\0" * 7, b"numberx"])
def test_every_damaged_file_is_found(kept, content):
    folder, named, state = kept
    named.write_bytes(content)
    assert verify_files(folder, state) == {
        "refit/compact/0/0/1": "predictions/refit-compact-0-0-1.npz is damaged"
    }


def test_a_missing_file_is_found(kept):
    folder, named, state = kept
    named.unlink()
    assert verify_files(folder, state) == {
        "refit/compact/0/0/1": "predictions/refit-compact-0-0-1.npz is missing"
    }


def test_digests_know_code_from_comments(tmp_path):
    from bench.data.caches.source_digest import code_digest

    def digest(text: str) -> str:
        (tmp_path / "a.py").write_text(text)
        return code_digest([tmp_path / "a.py"])

    terse = "def f(x):\n    return x + 1\n\n\nclass A:\n    b = 2\n"
    spacious = "# why\ndef f(x):  # what\n    return (x +\n  1)\nclass A:\n    b = 2  # two\n"
    assert digest(spacious) == digest(terse)
    one, other = (
        '"""{}."""\ndef f(x):\n    """{}."""\n    return x\n'.format(*words) for words in ("ab", "cd")
    )
    assert digest(one) == digest(other)
    assert digest(terse.replace("x + 1", "x + 2")) != digest(terse)
    assert digest(terse.replace("b = 2", "b = 3")) != digest(terse)


def test_a_stray_file_beside_the_runs_does_no_harm(tmp_path, dataset):
    settings = settings_for(tmp_path)
    identity, digests = identity_.identity(settings, dataset), identity_.candidate_digests(settings)
    folder, _ = find(settings, identity, digests)
    settings.runs.mkdir()
    (settings.runs / f"{folder.name}.tar.gz").write_bytes(b"a backup")
    found, _ = find(settings, identity, digests)
    assert not found.is_file()


def test_the_latest_run_is_of_the_very_task_and_has_a_record(tmp_path):
    for name, task in (("digits-a", "digits"), ("digits-fast-a", "digits-fast")):
        record(tmp_path / name, {"task": task}, {})
    Journal(tmp_path / "digits-b").close()  # a start that came to nothing
    assert run_directory.latest(tmp_path, "digits") == tmp_path / "digits-a"
    assert run_directory.latest(tmp_path, "digits-fast") == tmp_path / "digits-fast-a"


def test_checkpoints_of_trials_are_left_to_who_knows_the_plan(tmp_path):
    (tmp_path / "work").mkdir()
    names = ("trial-compact-0-0.0.npz", "refit-compact-0-0-1.npz", "trial-compact-0-0.0.npz.tmp")
    for name in names:
        (tmp_path / "work" / name).touch()
    result = {"metrics": {}, "values": {}}
    events = [
        {"event": "done", "piece": key, "result": result}
        for key in ("trial/compact/0/0", "refit/compact/0/0/1")
    ]
    clean(tmp_path, State.replay(events))
    assert [path.name for path in (tmp_path / "work").iterdir()] == [names[0]]


def test_how_long_a_sweep_took_does_not_hang_on_who_sets_the_clock():
    events = [
        {"event": "sweep", "time": 1000.0, "clock": 5.0},
        {"event": "done", "piece": "reference/a/0", "result": {}, "time": -6000.0, "clock": 25.0},
        {"event": "ended", "reason": "finished", "time": -6000.0, "clock": 25.0},
        {"event": "sweep", "time": 0.0},  # as an older version wrote it
        {"event": "done", "piece": "reference/b/0", "result": {}, "time": 7.0},
    ]
    assert State.replay(events).seconds == 27.0
