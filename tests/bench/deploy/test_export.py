"""Networks of every architecture are exported as they are, and what does not agree is not exported."""

import keras_tuner
import numpy as np
import pytest

import architectures
from bench.deploy import export, saved_network
from bench.deploy.predict import probabilities
from bench.deploy.saved_network import Network, calibrated
from bench.errors import UserError
from bench.measure import runtimes

SHAPES = {"vector": (49,), "image": (20, 20, 1), "volume": (6, 32, 32, 1)}
FAST = ("compact", "cnn")


def network_of(name, temperature=1.7):
    """A small network of an architecture, with weights and statistics that hide nothing."""
    architecture = architectures.load(name)
    model = architecture.build(keras_tuner.HyperParameters(), SHAPES[architecture.input], 3)
    random = np.random.default_rng(0)
    for weight in model.weights:
        if weight.name in ("moving_mean", "beta", "bias"):
            weight.assign(random.normal(size=weight.shape) * 0.1)
        elif weight.name in ("moving_variance", "gamma"):
            weight.assign(random.uniform(0.8, 1.2, weight.shape))
    facts = {"task": "digits", "architecture": name, "classes": ["a", "b", "c"], "preprocessing": {}}
    return Network(name, (calibrated(model, temperature),), {**facts, "temperature": temperature})


def samples_of(network, n=5):
    shape = network.models[0].input_shape[1:]
    return np.random.default_rng(1).normal(size=(n, *shape)).astype(np.float32)


def written(network, x, indices, folder):
    return export.write_portable(network, x, indices, probabilities(network, x[indices]), folder)


@pytest.mark.parametrize(
    "name", [n if n in FAST else pytest.param(n, marks=pytest.mark.slow) for n in architectures.names()]
)
def test_every_architecture_is_the_same_in_every_format(name, tmp_path):
    network = network_of(name)
    x = samples_of(network)
    saved_network.save(tmp_path, network.models[:1], network.facts)
    found = written(network, x, np.array([0, 2, 4]), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "model.keras",
        "model.tflite",
        "model.onnx",
        "model.json",
    }
    assert list(found) == ["keras", "litert", "onnxruntime"]
    for agreement in found.values():
        assert agreement["cases"] == 3
        assert agreement["difference"] <= runtimes.TOLERANCE
    onnx = runtimes.OnnxRuntime().load((tmp_path / "model.onnx").read_bytes(), 1)
    expected = np.asarray(network.models[0](x[:1]))
    np.testing.assert_allclose(onnx(x[:1]), expected, atol=1e-4)
    assert expected.sum() == pytest.approx(1, abs=1e-5)


class _Made:
    """A runtime that answers what a test wants."""

    name, packages, suffix = "made", ("keras",), ".made"

    def __init__(self, answer):
        self.answer = answer

    def convert(self, model, batch, input_shape):
        self.model = model
        return b"made"

    def load(self, content, threads):
        return lambda x: self.answer(np.asarray(self.model(x)))


@pytest.mark.parametrize(
    ("answer", "names"),
    [
        (lambda p: p + 2e-4, "probabilities up to 2.0e-04 off"),
        (lambda p: np.roll(p, 1, axis=1), "found 5 other classes in 5 test cases"),
        (lambda p: p * np.nan, "nothing was exported"),
    ],
)
def test_a_format_that_answers_otherwise_is_an_error(monkeypatch, tmp_path, answer, names):
    monkeypatch.setattr(runtimes, "PORTABLE", {_Made.name: _Made(answer)})
    network = network_of("compact")
    saved_network.save(tmp_path, network.models[:1], network.facts)
    with pytest.raises(UserError, match=names):
        written(network, samples_of(network), np.arange(5), tmp_path)
