"""A slim VGG16."""

from pathlib import Path

import keras

from architectures.layers import imagenet
from architectures.layers.blocks import NORMALISATIONS
from architectures.layers.dense import AdjustableDropout
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

    def build(self, hp, input_shape, n_classes: int) -> keras.Model:
        width = hp.Choice("width", [0.125, 0.25])
        blocks = hp.Choice("blocks", [5, 4])
        normalisation = hp.Choice("normalisation", list(NORMALISATIONS))
        inputs = keras.Input(input_shape, name="image")
        x = vgg16_features(inputs, width, blocks, normalisation)
        x = keras.layers.GlobalAveragePooling2D(name="features")(x)
        x = AdjustableDropout(name="dropout")(x)
        return keras.Model(inputs, keras.layers.Dense(n_classes, name="head")(x), name=self.name)

    def imagenet(self, model: keras.Model, weights: str | Path | None = None) -> None:
        """Load the weights of `keras.applications.VGG16`; see `layers.imagenet.load`."""
        imagenet.load(model, "vgg16", weights)


architecture = VGG16()
