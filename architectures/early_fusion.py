"""A 2D network to which the slices of a volume are channels."""

import keras

from architectures.layers.blocks import classifier, pool_features
from architectures.layers.imagenet import loads
from architectures.layers.vgg import vgg16_features


class EarlyFusion:
    """`[depth, height, width, 1] -> [height, width, depth] -> VGG16 -> logits`.

    The first convolution sees all slices at once and everything after it one image. VGG16 as in `vgg16`;
    pretrained first filters are spread over the slices.
    """

    name = "early_fusion"
    title = "Early fusion (VGG16)"
    input = "volume"
    imagenet_values = {"width": 1.0, "blocks": 5, "normalisation": "none"}
    imagenet = loads("vgg16")

    def build(self, hp, input_shape, n_classes: int) -> keras.Model:
        width = hp.Choice("width", [0.25, 0.125])
        blocks = hp.Choice("blocks", [3, 4, 5])
        # The original has none, and from scratch does not train on a hundred subjects.
        normalisation = hp.Choice("normalisation", ["batch"])
        pooling = hp.Choice("pooling", ["max", "average"])
        depth, height, breadth, channels = input_shape
        inputs = keras.Input(input_shape, name="volume")
        x = keras.layers.Permute((2, 3, 1, 4), name="slices_last")(inputs)
        x = keras.layers.Reshape((height, breadth, depth * channels), name="slices_as_channels")(x)
        x = vgg16_features(x, width, blocks, normalisation)
        return classifier(inputs, pool_features(x, pooling), n_classes, self.name)


architecture = EarlyFusion()
