"""A slim ResNet-50 of three-dimensional convolutions."""

import keras

from architectures.layers.blocks import classifier, pool_features
from architectures.layers.imagenet import loads
from architectures.layers.residual import resnet_features


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
    imagenet = loads("resnet50")

    def build(self, hp, input_shape, n_classes: int) -> keras.Model:
        layers = hp.Choice("layers", [14, 26])
        width = hp.Choice("width", [0.25, 0.125])
        stem = hp.Choice("stem", ["original", "small"])
        pooling = hp.Choice("pooling", ["max", "average"])
        inputs = keras.Input(input_shape, name="volume")
        x = resnet_features(inputs, width, layers, stem)
        return classifier(inputs, pool_features(x, pooling), n_classes, self.name)


architecture = ResNet50Volume()
