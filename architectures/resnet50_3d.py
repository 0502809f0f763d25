"""A slim ResNet-50 of three-dimensional convolutions."""

from pathlib import Path

import keras

from architectures.layers import imagenet
from architectures.layers.blocks import pool_features
from architectures.layers.dense import AdjustableDropout
from architectures.layers.residual import ResidualNetwork


class ResNet50Volume:
    """He et al. 2016 (CVPR), table 1, in three dimensions after Hara et al. 2018 ("Can spatiotemporal 3D CNNs
    retrace the history of 2D CNNs and ImageNet?", CVPR); `[depth, height, width, 1] -> features -> logits`.

    Slimmed: fewer filters (`width`), fewer bottlenecks (50, 26 or 14 layers: 3-4-6-3, 2-2-2-2 or 1-1-1-1)
    and optionally a smaller stem. 2D weights are inflated (`layers.imagenet.load`).
    """

    name = "resnet50_3d"
    title = "3D ResNet-50"
    input = "volume"
    imagenet_values = {"width": 1.0, "layers": 50, "stem": "original", "pooling": "average"}

    def build(self, hp, input_shape, n_classes: int) -> keras.Model:
        layers = hp.Choice("layers", [14, 26])
        width = hp.Choice("width", [0.25, 0.125])
        stem = hp.Choice("stem", ["original", "small"])
        pooling = hp.Choice("pooling", ["max", "average"])
        inputs = keras.Input(input_shape, name="volume")
        x = ResidualNetwork(3, width, layers, stem)(inputs)
        x = pool_features(x, pooling)
        x = AdjustableDropout(name="dropout")(x)
        return keras.Model(inputs, keras.layers.Dense(n_classes, name="head")(x), name=self.name)

    def imagenet(self, model: keras.Model, weights: str | Path | None = None) -> None:
        """Load the weights of `keras.applications.ResNet50`, inflated; see `layers.imagenet.load`."""
        imagenet.load(model, "resnet50", weights)


architecture = ResNet50Volume()
