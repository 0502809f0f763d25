"""A small convolutional network: the reference that knows what an image is."""

import keras

from architectures._layers import AdjustableDropout


class SmallCNN:
    """Four 3x3 convolutions in two stages, `[16, 16, 1] -> [8, 8, c] -> [4, 4, 2c] -> dense -> 10`.

    After LeCun et al. 1998 ("Gradient-based learning applied to document recognition", Proc. IEEE 86),
    with the 3x3 stacks of Simonyan and Zisserman 2015 (VGG) and batch normalisation.
    """

    name = "cnn"
    title = "Small CNN"
    input = "image"

    def build(self, hp, input_shape, n_classes):
        filters = hp.Choice("filters", [32, 24])
        units = hp.Choice("dense_units", [128, 64])
        inputs = keras.Input(input_shape)
        x = inputs
        for multiple in (1, 2):
            for _ in range(2):
                x = keras.layers.Conv2D(
                    filters * multiple, 3, padding="same", use_bias=False, kernel_initializer="he_normal"
                )(x)
                x = keras.layers.BatchNormalization(momentum=0.9)(x)
                x = keras.layers.ReLU()(x)
            x = keras.layers.MaxPooling2D()(x)
            x = AdjustableDropout(scale=0.5)(x)
        x = keras.layers.Flatten()(x)
        x = keras.layers.Dense(units, activation="relu", kernel_initializer="he_normal")(x)
        x = AdjustableDropout()(x)
        return keras.Model(inputs, keras.layers.Dense(n_classes, name="head")(x), name=self.name)


architecture = SmallCNN()
