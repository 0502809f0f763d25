"""Batch normalisation as one operation of the backend."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="scanbench")
class BatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization`, several times faster to train where inputs are images or volumes.

    Keras computes moments and normalisation by a dozen small operations, each of which reads all activations;
    TensorFlow has one for images `[batch, height, width, channels]`. Volumes are shown to it as images. Its moving
    variance is unbiased (n / (n - 1)), as in PyTorch. Ioffe and Szegedy 2015, "Batch normalization", ICML.
    """

    def call(self, inputs, training=None, mask=None):
        if not training or len(inputs.shape) not in (4, 5) or self.compute_dtype != "float32":
            return super().call(inputs, training=training, mask=mask)
        images = inputs if len(inputs.shape) == 4 else tf.reshape(inputs, (-1, *inputs.shape[2:]))
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            images, scale=self.gamma, offset=self.beta, epsilon=self.epsilon, is_training=True
        )
        for moving, found in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + found * (1.0 - self.momentum))
        return outputs if len(inputs.shape) == 4 else tf.reshape(outputs, tf.shape(inputs))
