"""The frozen graph gives the model's answer, also with operations put in the place of others."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from bench.measure.inference_graph import INPUT, OUTPUT, GraphError, inference_graph
from bench.measure.portable_operations import LITERT_SUBSTITUTES, ONNX_SUBSTITUTES


def answer(frozen, x):
    with tf.compat.v1.Session(graph=frozen) as session:
        return session.run(f"{OUTPUT}:0", {f"{INPUT}:0": x})


def types(frozen):
    return {operation.type for operation in frozen.get_operations()}


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("pooling", [layers.MaxPooling3D, layers.AveragePooling3D])
def test_pooling_of_volumes_by_planes_and_columns(pooling, padding):
    model = keras.Sequential([keras.Input((7, 8, 9, 2)), pooling((3, 2, 4), (2, 1, 3), padding=padding)])
    x = np.random.default_rng(0).normal(size=(2, 7, 8, 9, 2)).astype(np.float32)
    frozen = inference_graph(model, 2, substitutes=LITERT_SUBSTITUTES)
    assert not {"MaxPool3D", "AvgPool3D"} & types(frozen)
    np.testing.assert_allclose(answer(frozen, x), model(x).numpy(), atol=1e-6)


def test_grouped_convolution_of_volumes_group_by_group():
    convolution = layers.Conv3D(6, 3, strides=2, groups=3, bias_initializer="ones")
    model = keras.Sequential([keras.Input((7, 8, 9, 6)), convolution])
    x = np.random.default_rng(0).normal(size=(2, 7, 8, 9, 6)).astype(np.float32)
    frozen = inference_graph(model, 2, substitutes=ONNX_SUBSTITUTES)
    np.testing.assert_allclose(answer(frozen, x), model(x).numpy(), atol=1e-5)


def test_exact_gelu_without_erfc():
    model = keras.Sequential([keras.Input((50,)), layers.Activation("gelu")])
    x = np.linspace(-8, 8, 50, dtype=np.float32)[None]
    frozen = inference_graph(model, substitutes=ONNX_SUBSTITUTES)
    assert "Erfc" not in types(frozen)
    np.testing.assert_allclose(answer(frozen, x), model(x).numpy(), atol=1e-6)


def test_shapes_are_known_behind_a_grouped_convolution():
    """Keras compiles it with XLA on CPU; such a call has no shape in the graph."""
    body = [layers.Conv2D(8, 3, groups=2), layers.MaxPooling2D(2), layers.Flatten(), layers.Dense(3)]
    frozen = inference_graph(keras.Sequential([keras.Input((10, 10, 4)), *body]), batch=5)
    assert frozen.get_tensor_by_name(f"{OUTPUT}:0").shape.as_list() == [5, 3]
    assert not {"StatefulPartitionedCall", "ReadVariableOp"} & types(frozen)


def test_dropout_and_augmentation_are_not_part_of_inference():
    body = [layers.RandomRotation(0.2), layers.Dropout(0.5), layers.Flatten(), layers.Dense(3)]
    model = keras.Sequential([keras.Input((6, 6, 1)), *body])
    x = np.random.default_rng(0).normal(size=(1, 6, 6, 1)).astype(np.float32)
    frozen = inference_graph(model)
    np.testing.assert_array_equal(answer(frozen, x), answer(frozen, x))
    np.testing.assert_allclose(answer(frozen, x), model(x, training=False).numpy(), atol=1e-6)


def test_several_inputs_are_refused():
    left, right = keras.Input((3,)), keras.Input((3,))
    with pytest.raises(GraphError, match="2 inputs"):
        inference_graph(keras.Model([left, right], left + right))
    with pytest.raises(GraphError, match="2 outputs"):
        inference_graph(keras.Model(left, [left + 1, left + 2]))
