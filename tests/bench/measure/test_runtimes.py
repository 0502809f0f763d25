"""The three runtimes give one answer, and say why where they give none."""

import importlib.metadata

import keras
import numpy as np
import pytest
from keras import layers

from bench.measure.runtimes import RUNTIMES, TOLERANCE, ConversionError, KerasRuntime, difference, version


def convolutional():
    body = [
        layers.Conv2D(8, 3, padding="same"),
        layers.BatchNormalization(),
        layers.Activation("gelu"),
        layers.Conv2D(8, 3, groups=2, strides=2),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(3, activation="softmax"),
    ]
    return keras.Sequential([keras.Input((16, 16, 2)), *body])


def volumetric():
    body = [
        layers.Conv3D(4, 3, padding="same", groups=2),
        layers.MaxPooling3D(3, 2, padding="same"),
        layers.AveragePooling3D(3, 2, padding="same"),
        layers.GlobalAveragePooling3D(),
        layers.Dense(2),
    ]
    return keras.Sequential([keras.Input((12, 12, 12, 2)), *body])


def attentive():
    x = keras.Input((16, 12))
    normal = layers.LayerNormalization()(x)
    y = layers.MultiHeadAttention(2, 6)(normal, normal) + x
    return keras.Model(x, layers.Dense(3)(layers.GlobalAveragePooling1D()(y)))


def fused_late():
    inner = keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(4, 3), layers.GlobalMaxPooling2D()])
    body = [layers.TimeDistributed(inner), layers.GlobalAveragePooling1D(), layers.Dense(2)]
    return keras.Sequential([keras.Input((5, 8, 8, 1)), *body])


@pytest.mark.parametrize("name", ["litert", "onnxruntime"])
@pytest.mark.parametrize("body", [convolutional, volumetric, attentive, fused_late])
@pytest.mark.parametrize("batch", [1, 3])
def test_runtimes_give_the_answer_of_keras(name, body, batch):
    runtime = installed(name)
    model, x, expected = with_odd_weights(body(), batch)
    assert difference(runtime.prepare(model, batch, 1, x.shape[1:]), expected, x) <= TOLERANCE


@pytest.mark.parametrize("body", [convolutional, volumetric, attentive, fused_late])
def test_the_compiled_call_gives_the_answer_of_the_model(body):
    model, x, expected = with_odd_weights(body(), 2)
    assert difference(KerasRuntime().prepare(model, 2, 1, x.shape[1:]), expected, x) < 1e-5


def installed(name):
    try:
        version(RUNTIMES[name])
    except ImportError as error:
        pytest.skip(str(error))
    return RUNTIMES[name]


def with_odd_weights(model, batch):
    """Give a model weights that hide nothing, as its first ones do (biases 0, variances 1)."""
    generator = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(generator.uniform(0.05, 0.3, weight.shape))
    x = generator.normal(size=(batch, *model.input_shape[1:])).astype(np.float32)
    return model, x, model(x, training=False).numpy()


def test_difference_sees_other_numbers_shapes_and_nan():
    expected = np.zeros((1, 2), np.float32)
    x = np.zeros((1, 4), np.float32)
    assert difference(lambda _: expected + 0.25, expected, x) == 0.25
    assert difference(lambda _: expected * np.nan, expected, x) == float("inf")
    assert difference(lambda _: np.zeros((1, 3)), expected, x) == float("inf")


@pytest.mark.parametrize("name", ["litert", "onnxruntime"])
def test_a_model_that_cannot_be_converted_has_a_reason_in_a_line(name):
    model = keras.Sequential([keras.Input((7, 4)), layers.LSTM(3)])
    with pytest.raises(ConversionError, match=r"While .*lstm") as caught:
        installed(name).prepare(model, 1, 1, (7, 4))
    assert "\n" not in str(caught.value)


def test_version_names_the_missing_package(monkeypatch):
    assert version(KerasRuntime()) == keras.__version__

    def absent(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", absent)
    with pytest.raises(ImportError, match="ai-edge-litert is not installed"):
        version(RUNTIMES["litert"])
