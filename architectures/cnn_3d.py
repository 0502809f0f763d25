"""A small three-dimensional convolutional network: what a volume of some ten thousand voxels needs."""

import keras

from architectures.layers.blocks import classifier, convolve, pool_features


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
        x = convolve(inputs, filters, 5, "{}1_1", strides=_halving(inputs))
        x = convolve(x, filters, 3, "{}1_2")
        for stage, convolutions in ((2, 2), (3, 1)):
            x = keras.layers.MaxPooling3D(_halving(x), padding="same", name=f"pool{stage}")(x)
            for number in range(1, convolutions + 1):
                x = convolve(x, filters * 2 ** (stage - 1), 3, f"{{}}{stage}_{number}")
        return classifier(inputs, pool_features(x, "average"), n_classes, self.name)


def _halving(x) -> tuple[int, ...]:
    """Strides that halve the sides, but those that are short already."""
    return tuple(2 if side > 2 else 1 for side in x.shape[1:4])


architecture = SmallCNN3D()
