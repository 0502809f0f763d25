"""What is saved comes back; what is damaged, foreign or could run code is refused in one line."""

import json

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
        (keras.Sequential([keras.Input((4,)), layers.Lambda(lambda x: x)]), FACTS, "damaged network"),
        (small(2), FACTS, "found a network of 2 classes; expected 3"),
        (small(), {**FACTS, "task": "mri"}, "a network for mri; expected one for spect"),
        (small(), {**FACTS, "classes": "abc"}, "found no classes; expected task, architecture, classes"),
        (small(), [], "found no saved network"),
    ],
)
def test_what_is_foreign_is_one_line(tmp_path, network, facts, names):
    network.save(tmp_path / "model.keras")
    (tmp_path / "model.json").write_text(json.dumps(facts))
    with pytest.raises(UserError, match=names) as caught:
        saved_network.load(tmp_path, task)
    assert "\n" not in str(caught.value)


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
    with pytest.raises(UserError, match="damaged network"):
        saved_network.load_keras(tmp_path / "m.keras")
