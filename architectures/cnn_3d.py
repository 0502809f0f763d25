"""A small three-dimensional convolutional network: what a volume of some ten thousand voxels needs."""

import keras

from architectures.layers.dense import AdjustableDropout


class SmallCNN3D:
    """`[depth, height, width, channels] -> three stages, each at half the sides before -> features -> logits`.

    A stage is a strided 3x3x3 convolution and, but for the first, a further one, each with batch normalisation:
    the 3x3x3 stacks of Tran et al. 2015 ("Learning spatiotemporal features with 3D convolutional networks",
    ICCV), a tenth as wide. The stride comes before the convolutions, not a pooling after them, so that nothing
    but the stem sees the whole volume: most of the time of a 3D network is otherwise spent there.
    """

    name = "cnn_3d"
    title = "Small 3D CNN"
    input = "volume"

    def build(self, hp, input_shape, n_classes: int) -> keras.Model:
        filters = hp.Choice("filters", [16, 24])
        pooling = hp.Choice("pooling", ["average", "max"])
        inputs = keras.Input(input_shape, name="volume")
        x = inputs
        for stage in (1, 2, 3):
            for conv in range(1, 2 if stage == 1 else 3):
                strides = tuple(2 if conv == 1 and side > 2 else 1 for side in x.shape[1:4])
                x = keras.layers.Conv3D(
                    filters * 2 ** (stage - 1),
                    3,
                    strides=strides,
                    padding="same",
                    use_bias=False,
                    kernel_initializer="he_normal",
                    name=f"conv{stage}_{conv}",
                )(x)
                x = keras.layers.BatchNormalization(momentum=0.9, name=f"norm{stage}_{conv}")(x)
                x = keras.layers.ReLU(name=f"relu{stage}_{conv}")(x)
        pool = {"average": keras.layers.GlobalAveragePooling3D, "max": keras.layers.GlobalMaxPooling3D}
        x = pool[pooling](name="features")(x)
        x = AdjustableDropout(name="dropout")(x)
        return keras.Model(inputs, keras.layers.Dense(n_classes, name="head")(x), name=self.name)


architecture = SmallCNN3D()
