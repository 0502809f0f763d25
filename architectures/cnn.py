"""A small convolutional network: the reference that knows what an image is."""

import keras

from architectures.layers.blocks import classifier, convolve
from architectures.layers.dense import AdjustableDropout


class SmallCNN:
    """Four 3x3 convolutions in two stages, `[16, 16, 1] -> [8, 8, c] -> [4, 4, 2c] -> dense -> 10`.

    After LeCun et al. 1998 ("Gradient-based learning applied to document recognition", Proc. IEEE 86),
    with the 3x3 stacks of Simonyan and Zisserman 2015 (VGG) and batch normalisation.
    """

    name = "cnn"
    title = "Small CNN"
    input = "image"

    def build(self, hp, input_shape, n_classes):
        filters = hp.Choice("filters", [24, 32])
        units = hp.Choice("dense_units", [128, 64])
        inputs = keras.Input(input_shape)
        x = inputs
        for stage in (1, 2):
            for conv in (1, 2):
                x = convolve(x, filters * stage, 3, f"{{}}{stage}_{conv}")
            x = keras.layers.MaxPooling2D(name=f"pool{stage}")(x)
            x = AdjustableDropout(scale=0.5, name=f"dropout{stage}")(x)
        x = keras.layers.Flatten(name="flatten")(x)
        x = keras.layers.Dense(units, activation="relu", kernel_initializer="he_normal", name="dense")(x)
        return classifier(inputs, x, n_classes, self.name)


architecture = SmallCNN()
