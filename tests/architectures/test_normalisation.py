"""Batch normalisation in one operation is Keras' own, in outputs, gradients and moving statistics."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from architectures.layers import BatchNormalization


@pytest.mark.parametrize("shape", [(6, 5, 4, 3), (4, 2, 5, 4, 3), (8, 3)])
def test_training_and_inference_are_those_of_keras(shape):
    x = tf.constant(np.random.default_rng(0).normal(2.0, 3.0, shape).astype(np.float32))
    found = []
    for kind in (BatchNormalization, keras.layers.BatchNormalization):
        layer = kind(momentum=0.9)
        layer.build(shape)
        layer.gamma.assign([0.5, 1.0, 2.0])
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
            loss = tf.reduce_sum(y**3)
        gradients = tape.gradient(loss, [x, layer.gamma.value, layer.beta.value])
        found.append([y, *gradients, layer.moving_mean, layer(x, training=False), layer.moving_variance])
    n = np.prod(shape[:-1])
    for index, (ours, keras_own) in enumerate(zip(*found, strict=True)):
        ours, keras_own = np.asarray(ours), np.asarray(keras_own)
        if (
            index >= 5 and len(shape) > 2
        ):  # the moving variance is unbiased, and with it what inference divides by
            assert np.abs(ours - keras_own).max() < 2 * np.abs(keras_own).max() / n
        else:
            np.testing.assert_allclose(ours, keras_own, rtol=2e-4, atol=2e-3)
