"""Parts that the convolutional architectures share."""

import keras

from architectures.layers.dense import AdjustableDropout, logits
from architectures.layers.normalisation import BatchNormalization

NORMALISATIONS = ("batch", "none")


def scaled(filters: int, width: float) -> int:
    """`filters` times the width multiplier, to the nearest multiple of 8 (vector registers), at least 8."""
    return max(8, 8 * round(filters * width / 8))


def normalise(x, kind: str, name: str):
    """Normalise activations `[batch, ..., channels]`; "none" leaves them as they are.

    "batch" is Ioffe and Szegedy 2015. Its statistics run over batch and positions, so that even 8 samples
    of 50x50 give 20,000 values a channel in the first blocks. The momentum of 0.9 is for trainings of a few
    hundred steps, after which Keras' 0.99 would still remember the initial statistics.
    """
    if kind == "none":
        return x
    if kind != "batch":
        raise ValueError(f"normalisation {kind!r}: expected one of {', '.join(NORMALISATIONS)}")
    return BatchNormalization(momentum=0.9, name=name)(x)


def of_rank(kind: str, x):
    """Keras' layer of a kind ("Conv", "MaxPooling") for images or for volumes, whichever `x` is."""
    return getattr(keras.layers, f"{kind}{len(x.shape) - 2}D")


def convolve(x, filters: int, size: int, name: str, normalisation: str = "batch", strides=1):
    """Convolve with zeros around, normalise, ReLU; `name` is that of all three, as "block1_{}2"."""
    x = of_rank("Conv", x)(
        filters,
        size,
        strides=strides,
        padding="same",
        use_bias=normalisation == "none",
        kernel_initializer="he_normal",
        name=name.format("conv"),
    )(x)
    return keras.layers.ReLU(name=name.format("relu"))(normalise(x, normalisation, name.format("norm")))


def shrink(x, factor: int):
    """Average squares of `factor` pixels, `[batch, height, width, channels]`; 1 leaves the image as it is."""
    return x if factor == 1 else keras.layers.AveragePooling2D(factor, name="shrink")(x)


def pool_features(x, kind: str):
    """Pool over all positions, `[batch, ..., features] -> [batch, features]`.

    "average" is what `keras.applications` and He et al. 2016 do; "max" keeps what stands out in one place
    (Oquab et al. 2015, "Is object localization for free?", CVPR).
    """
    pooling = {"average": "GlobalAveragePooling", "max": "GlobalMaxPooling"}[kind]
    return of_rank(pooling, x)(name="features")(x)


def classifier(inputs, features, n_classes: int, name: str) -> keras.Model:
    """The model from `inputs` to the logits of `[batch, features]`, behind dropout."""
    x = AdjustableDropout(name="dropout")(features)
    return keras.Model(inputs, logits(x, n_classes), name=name)
