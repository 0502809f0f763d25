"""A small three-dimensional convolutional network: what a volume of some ten thousand voxels needs."""

import keras

from architectures.layers.blocks import Patches, normalise, pool_features
from architectures.layers.dense import AdjustableDropout


class SmallCNN3D:
    """`[depth, height, width, channels] -> blocks of voxels -> convolutions -> features -> logits`.

    The 3x3x3 stacks of Tran et al. 2015 ("Learning spatiotemporal features with 3D convolutional networks",
    ICCV), a tenth as wide, with batch normalisation. The blocks are channels, as the patches of Dosovitskiy et
    al. 2021 ("An image is worth 16x16 words", ICLR), so that no convolution sees the whole volume, where most of
    the time of a 3D network is otherwise spent.
    """

    name = "cnn_3d"
    title = "Small 3D CNN"
    input = "volume"

    def build(self, hp, input_shape, n_classes: int) -> keras.Model:
        filters = hp.Choice("filters", [16, 32])
        patch = hp.Choice("patch", [4, 2])
        inputs = keras.Input(input_shape, name="volume")
        x = Patches([min(patch, side) for side in input_shape[:3]], name="patches")(inputs)
        stages = [(filters, 1)] if patch == 2 else []
        for stage, (width, convolutions) in enumerate([*stages, (2 * filters, 2), (4 * filters, 1)], 1):
            if stage > 1 and min(x.shape[1:4]) > 1:
                x = keras.layers.MaxPooling3D(name=f"pool{stage}")(x)
            for number in range(1, convolutions + 1):
                x = keras.layers.Conv3D(
                    width,
                    3,
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
