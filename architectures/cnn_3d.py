"""A small three-dimensional convolutional network: what a volume of some ten thousand voxels needs."""

import keras

from architectures.layers.blocks import normalise, pool_features
from architectures.layers.dense import AdjustableDropout


class SmallCNN3D:
    """`[depth, height, width, channels] -> three stages, each of half the sides -> features -> logits`.

    The 3x3x3 stacks of Tran et al. 2015 ("Learning spatiotemporal features with 3D convolutional networks",
    ICCV), a tenth as wide, with batch normalisation. A stage begins with a strided convolution, so that nothing
    but the first one sees the whole volume: most of the time of a 3D network is otherwise spent there.
    """

    name = "cnn_3d"
    title = "Small 3D CNN"
    input = "volume"

    def build(self, hp, input_shape, n_classes: int) -> keras.Model:
        filters = hp.Choice("filters", [16, 24])
        inputs = keras.Input(input_shape, name="volume")
        x = inputs
        for stage, convolutions in ((1, 1), (2, 2), (3, 2)):
            for number in range(1, convolutions + 1):
                x = keras.layers.Conv3D(
                    filters * 2 ** (stage - 1),
                    3,
                    strides=tuple(2 if number == 1 and side > 2 else 1 for side in x.shape[1:4]),
                    padding="same",
                    use_bias=False,
                    kernel_initializer="he_normal",
                    name=f"conv{stage}_{number}",
                )(x)
                x = normalise(x, "batch", f"norm{stage}_{number}")
                x = keras.layers.ReLU(name=f"relu{stage}_{number}")(x)
        x = pool_features(x, "average")
        x = AdjustableDropout(name="dropout")(x)
        return keras.Model(inputs, keras.layers.Dense(n_classes, name="head")(x), name=self.name)


architecture = SmallCNN3D()
