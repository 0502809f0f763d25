"""What is saved comes back; what is damaged, foreign or could run code is refused in one line."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers
from scipy.special import softmax

from bench.deploy import saved_network
from bench.errors import UserError
from bench.tasks.spect import task

FACTS = {"task": "spect", "architecture": "vgg16", "classes": ["a", "b", "c"], "preprocessing": {}}


def small(classes=3):
    inputs = keras.Input((4,))
    return keras.Model(inputs, layers.Dense(classes, kernel_initializer="ones", name="head")(inputs))


def test_calibrated_is_the_softmax_of_the_divided_logits():
    network, x = small(), np.arange(8, dtype=np.float32).reshape(2, 4)
    network.layers[-1].set_weights([np.arange(12.0).reshape(4, 3), np.array([1.0, 0, -1])])
    found = saved_network.calibrated(network, 2.5)
    np.testing.assert_allclose(found(x), softmax(np.asarray(network(x)) / 2.5, axis=1), atol=1e-6)
    assert saved_network.calibrated(found, 9.0) is found


def test_what_is_saved_comes_back(tmp_path):
    network, x = small(), np.ones((1, 4), np.float32)
    saved_network.save(tmp_path / "net", [network], {**FACTS, "temperature": 2.0})
    found = saved_network.load(tmp_path / "net", task)
    assert found.classes == ["a", "b", "c"]
    np.testing.assert_allclose(found.models[0](x), saved_network.calibrated(network, 2.0)(x), atol=1e-7)


def test_networks_saved_without_calibration_get_it_when_they_are_loaded(tmp_path):
    small().save(tmp_path / "model.keras")
    (tmp_path / "model.json").write_text(json.dumps(FACTS))
    np.testing.assert_allclose(
        saved_network.load(tmp_path, task).models[0](np.ones((1, 4))), 1 / 3, atol=1e-6
    )


@pytest.mark.parametrize(
    ("network", "facts", "names"),
    [
        (
            keras.Sequential([keras.Input((4,)), layers.Lambda(lambda x: x)]),
            FACTS,
            "network that cannot be opened",
        ),
        (small(2), FACTS, "found a network of 2 classes; expected 3"),
        (small(), {**FACTS, "task": "mri"}, "a network for mri; expected one for spect"),
        (small(), {**FACTS, "classes": "abc"}, "found no classes; expected task, architecture, classes"),
        (small(), [], "found no saved network"),
        (small(), {**FACTS, "classes": [1, 2, 3]}, "expected names, each once"),
        (small(), {**FACTS, "classes": ["a", "a", "b"]}, "expected names, each once"),
        (small(), {**FACTS, "networks": "x"}, "networks 'x'; expected a whole number from 1"),
        (small(), {**FACTS, "networks": 0}, "networks 0; expected a whole number from 1"),
        (small(), {**FACTS, "temperature": float("nan")}, "temperature nan; expected a number above 0"),
        (
            small(),
            {**FACTS, "preprocessing": {"normalisation": "zzz"}},
            "found normalisation 'zzz'; expected one",
        ),
        (small(), {**FACTS, "preprocessing": {"crop": 1}}, "found crop 1; expected on or off"),
        (small(), {**FACTS, "preprocessing": {"slices": {}}}, "found slices {}; expected the first"),
    ],
)
def test_what_is_foreign_is_one_line(tmp_path, network, facts, names):
    network.save(tmp_path / "model.keras")
    (tmp_path / "model.json").write_text(json.dumps(facts))
    with pytest.raises(UserError, match=names) as caught:
        saved_network.load(tmp_path, task)
    assert "\n" not in str(caught.value)


def test_a_temperature_without_a_point_is_one(tmp_path):
    saved_network.save(tmp_path, [small()], {**FACTS, "temperature": 1})
    assert saved_network.load(tmp_path, task).facts["temperature"] == 1


def test_code_that_has_changed_since_training_is_named(monkeypatch):
    facts = saved_network.code_of(task)
    assert saved_network.changed_code(facts, task) == ""
    of_before = (
        "the code for preprocessing and reading of files has changed since training or is not on record"
    )
    assert saved_network.changed_code({}, task) == of_before
    assert "for reading of files has" in saved_network.changed_code({**facts, "reading_version": 0}, task)
    monkeypatch.setattr(type(task), "digest", lambda self: "other")
    assert "for preprocessing has changed since training" in saved_network.changed_code(facts, task)


def write(folder, *names):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_text('{"run": "old"}')
    return folder


@pytest.mark.parametrize(
    ("names", "origin"),
    [
        (["mine.txt"], "run"),
        (["README.md"], "run"),
        (["model.json", "model.keras", "mine.txt"], "run"),
        (["model.json", "model.keras"], "history"),
    ],
)
def test_a_folder_with_anything_else_is_refused_and_stays(tmp_path, names, origin):
    folder = write(tmp_path / "there", *names)
    with pytest.raises(UserError, match=r"of something else; expected a new folder"):
        saved_network.replaced(folder, origin).__enter__()
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize(
    ("name", "found"),
    [("file", "a file"), ("file/below", "what cannot be written"), (".", "the folder that this")],
)
def test_what_can_be_no_folder_is_refused_before_the_work(tmp_path, monkeypatch, name, found):
    (tmp_path / "file").write_text("old")
    monkeypatch.chdir(write(tmp_path / "here"))
    with pytest.raises(UserError, match=f"found {found}.*; expected a new folder"):
        saved_network.replaced(Path(name) if name == "." else tmp_path / name, "run").__enter__()


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path):
    folder = write(tmp_path / "there", "model.json", "model.keras", "model-4.keras")
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(FileNotFoundError), saved_network.replaced(folder, "run") as building:
        (building / "none").rename(building / "model.json")
    assert (folder / "model-4.keras").is_file()
    with saved_network.replaced(tmp_path / "link", "run") as building:
        (building / "model.json").write_text("new")
    assert [path.name for path in folder.iterdir()] == ["model.json"]
    assert (folder / "model.json").read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "there"]


def test_what_cannot_be_put_in_place_leaves_the_old(tmp_path, monkeypatch):
    folder = write(tmp_path / "there", "model.json", "model.keras")
    monkeypatch.setattr(saved_network.durable, "replace", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError), saved_network.replaced(folder, "run"):
        pass
    assert sorted(path.name for path in folder.iterdir()) == ["model.json", "model.keras"]


def test_no_pickle_and_no_class_out_of_any_module_is_loaded(tmp_path):
    """A configuration that names a class of another module is refused, not imported."""
    import zipfile

    small().save(tmp_path / "whole.keras")
    with (
        zipfile.ZipFile(tmp_path / "whole.keras") as whole,
        zipfile.ZipFile(tmp_path / "m.keras", "w") as new,
    ):
        for name in whole.namelist():
            content = whole.read(name)
            if name == "config.json":
                content = content.replace(
                    b'"module": "keras.layers", "class_name": "Dense"',
                    b'"module": "subprocess", "class_name": "Popen"',
                )
                assert b"Popen" in content
            new.writestr(name, content)
    with pytest.raises(UserError, match="network that cannot be opened"):
        saved_network.load_keras(tmp_path / "m.keras")
