"""Layers that architectures share. A training hyperparameter in a graph must be a variable of it."""

import keras


@keras.saving.register_keras_serializable(package="scanbench")
class AdjustableDropout(keras.layers.Layer):
    """Dropout whose rate is a variable, so that a compiled graph serves trials with different rates.

    `keras.layers.Dropout` keeps its rate as a Python number, which becomes a constant of the trace.

    `scale`: factor on the common rate, for layers that want less of it than others.

    Notes
    -----
    `rate` is a non-trainable scalar weight named `dropout_rate`, 0 at first; whoever trains the model sets it.
    Srivastava et al. 2014, "Dropout", JMLR 15 (inverted form: kept units are divided by 1 - rate).
    """

    def __init__(self, scale: float = 1.0, **kwargs) -> None:
        super().__init__(**kwargs)
        self.scale = scale
        self.seed_generator = keras.random.SeedGenerator()

    def build(self, input_shape) -> None:
        self.rate = self.add_weight(shape=(), initializer="zeros", trainable=False, name="dropout_rate")

    def call(self, inputs, training=False):
        if not training:
            return inputs
        keep = 1.0 - keras.ops.clip(self.rate * self.scale, 0.0, 0.95)
        noise = keras.random.uniform(keras.ops.shape(inputs), seed=self.seed_generator)
        return inputs * keras.ops.cast(noise < keras.ops.cast(keep, noise.dtype), inputs.dtype) / keep

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self) -> dict:
        return {**super().get_config(), "scale": self.scale}


def logits(x, n_classes: int):
    """The last layer of a network, float32 also where the rest computes in less (`PRECISION=mixed`)."""
    return keras.layers.Dense(n_classes, name="head", dtype="float32")(x)


def multilayer_perceptron(input_shape, n_classes: int, widths, name: str) -> keras.Model:
    """Build a fully connected network `[batch, *input_shape] -> logits [batch, n_classes]`.

    Each hidden layer is dense, batch normalised (Ioffe and Szegedy 2015), ReLU, dropout.
    """
    inputs = keras.Input(input_shape)
    x = inputs
    for i, width in enumerate(widths, 1):
        x = keras.layers.Dense(width, use_bias=False, kernel_initializer="he_normal", name=f"dense{i}")(x)
        x = keras.layers.BatchNormalization(momentum=0.9, name=f"norm{i}")(x)
        x = keras.layers.ReLU(name=f"relu{i}")(x)
        x = AdjustableDropout(name=f"dropout{i}")(x)
    return keras.Model(inputs, logits(x, n_classes), name=name)
