"""A slim ResNet, in the forms of 18 and 50 layers."""

import keras

from architectures.layers.blocks import classifier, pool_features
from architectures.layers.imagenet import loads
from architectures.layers.residual import resnet_features


class ResNet:
    """He et al. 2016 (CVPR), table 1, `[height, width, 1] -> features -> logits`.

    Slimmed: fewer filters (`width`, 1.0 is the original) and, for small images, a stem that halves the sides
    once instead of twice. 18 layers are basic blocks, 50 are bottlenecks.
    """

    name = "resnet"
    title = "ResNet"
    input = "image"
    imagenet_values = {"width": 1.0, "layers": 50, "stem": "original"}
    imagenet = loads("resnet50")

    def build(self, hp, input_shape, n_classes: int) -> keras.Model:
        layers = hp.Choice("layers", [18, 50])
        width = hp.Choice("width", [0.125, 0.25])
        stem = hp.Choice("stem", ["small", "original"])
        inputs = keras.Input(input_shape, name="image")
        x = resnet_features(inputs, width, layers, stem)
        return classifier(inputs, pool_features(x, "average"), n_classes, self.name)


architecture = ResNet()
