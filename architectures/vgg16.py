"""A slim VGG16."""

import keras

from architectures.layers.blocks import NORMALISATIONS, classifier, pool_features
from architectures.layers.imagenet import loads
from architectures.layers.vgg import vgg16_features


class VGG16:
    """Simonyan and Zisserman 2015 (ICLR), configuration D, `[height, width, 1] -> features -> logits`.

    Slimmed: fewer filters (`width`, 1.0 is the original), fewer blocks, and global average pooling instead of
    the two dense layers of 4,096, as `keras.applications.VGG16(include_top=False, pooling="avg")`. The
    original has no normalisation; from random weights and a few hundred images thirteen layers then start
    slowly or not at all, hence the batch normalisation by default.
    """

    name = "vgg16"
    title = "VGG16"
    input = "image"
    imagenet_values = {"width": 1.0, "blocks": 5, "normalisation": "none"}
    imagenet = loads("vgg16")

    def build(self, hp, input_shape, n_classes: int) -> keras.Model:
        width = hp.Choice("width", [0.125, 0.25])
        blocks = hp.Choice("blocks", [5, 4])
        normalisation = hp.Choice("normalisation", list(NORMALISATIONS))
        inputs = keras.Input(input_shape, name="image")
        x = vgg16_features(inputs, width, blocks, normalisation)
        return classifier(inputs, pool_features(x, "average"), n_classes, self.name)


architecture = VGG16()
