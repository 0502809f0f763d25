"""A slim ResNet, in the forms of 18 and 50 layers."""

from pathlib import Path

import keras

from architectures.layers import imagenet
from architectures.layers.dense import AdjustableDropout
from architectures.layers.residual import ResidualNetwork


class ResNet:
    """He et al. 2016 (CVPR), table 1, `[height, width, 1] -> features -> logits`.

    Slimmed: fewer filters (`width`, 1.0 is the original) and, for small images, a stem that halves the sides
    once instead of twice. 18 layers are basic blocks, 50 are bottlenecks; 10 is the basic form with one block
    a stage.
    """

    name = "resnet"
    title = "ResNet"
    input = "image"
    imagenet_values = {"width": 1.0, "layers": 50, "stem": "original"}

    def build(self, hp, input_shape, n_classes: int) -> keras.Model:
        layers = hp.Choice("layers", [18, 50])
        width = hp.Choice("width", [0.125, 0.25])
        stem = hp.Choice("stem", ["small", "original"])
        inputs = keras.Input(input_shape, name="image")
        x = ResidualNetwork(2, width, layers, stem)(inputs)
        x = keras.layers.GlobalAveragePooling2D(name="features")(x)
        x = AdjustableDropout(name="dropout")(x)
        return keras.Model(inputs, keras.layers.Dense(n_classes, name="head")(x), name=self.name)

    def imagenet(self, model: keras.Model, weights: str | Path | None = None) -> None:
        """Load the weights of `keras.applications.ResNet50`; see `layers.imagenet.load`."""
        imagenet.load(model, "resnet50", weights)


architecture = ResNet()
