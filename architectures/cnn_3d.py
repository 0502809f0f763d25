"""A small three-dimensional convolutional network: what a volume of some ten thousand voxels needs."""

import keras

from architectures.layers.blocks import normalise, pool_features
from architectures.layers.dense import AdjustableDropout


class SmallCNN3D:
    """`[depth, height, width, channels] -> three stages, each of half the sides -> features -> logits`.

    The 3x3x3 stacks of Tran et al. 2015 ("Learning spatiotemporal features with 3D convolutional networks",
    ICCV), a tenth as wide, with batch normalisation. What is fine, such as how thick a gland is, is gone once
    sides are a quarter. So a 5x5x5 convolution of stride two sees the whole volume (nothing else does: it would
    be most of the time), another one works at half the sides, and only then is pooled.
    """

    name = "cnn_3d"
    title = "Small 3D CNN"
    input = "volume"

    def build(self, hp, input_shape, n_classes: int) -> keras.Model:
        filters = hp.Choice("filters", [16, 24])
        inputs = keras.Input(input_shape, name="volume")
        x = _convolve(inputs, filters, "1_1", size=5, strides=_halving(inputs))
        x = _convolve(x, filters, "1_2")
        for stage, convolutions in ((2, 2), (3, 1)):
            x = keras.layers.MaxPooling3D(_halving(x), padding="same", name=f"pool{stage}")(x)
            for number in range(1, convolutions + 1):
                x = _convolve(x, filters * 2 ** (stage - 1), f"{stage}_{number}")
        x = pool_features(x, "average")
        x = AdjustableDropout(name="dropout")(x)
        return keras.Model(inputs, keras.layers.Dense(n_classes, name="head")(x), name=self.name)


def _halving(x) -> tuple[int, ...]:
    """Strides that halve the sides, but those that are short already."""
    return tuple(2 if side > 2 else 1 for side in x.shape[1:4])


def _convolve(x, filters: int, name: str, size: int = 3, strides: tuple[int, ...] = (1, 1, 1)):
    x = keras.layers.Conv3D(
        filters,
        size,
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"conv{name}",
    )(x)
    return keras.layers.ReLU(name=f"relu{name}")(normalise(x, "batch", f"norm{name}"))


architecture = SmallCNN3D()
