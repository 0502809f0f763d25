"""One 2D network over all slices of a volume, whose features are fused."""

import keras

from architectures.layers.blocks import classifier, pool_features, shrink
from architectures.layers.imagenet import loads
from architectures.layers.slices import FUSIONS, FoldSlices, UnfoldSlices, fuse
from architectures.layers.vgg import vgg16_features


class LateFusion:
    """`[depth, height, width, 1] -> VGG16 on each slice -> [depth, features] -> fusion -> logits`.

    The weights of the one VGG16 are shared by all slices, after Su et al. 2015, "Multi-view convolutional
    neural networks for 3D shape recognition", ICCV; so a subject is `depth` examples to it. VGG16 as in
    `vgg16`, on slices that may be shrunk first, because they are many.
    """

    name = "late_fusion"
    title = "Late fusion (VGG16)"
    input = "volume"
    imagenet_values = {"width": 1.0, "blocks": 5, "normalisation": "none", "shrink": 1}
    imagenet = loads("vgg16")

    def build(self, hp, input_shape, n_classes: int) -> keras.Model:
        fusion = hp.Choice("fusion", list(FUSIONS))
        width = hp.Choice("width", [0.125, 0.25])
        blocks = hp.Choice("blocks", [4, 5])  # with all five, some trainings learn nothing for 50 epochs
        # The original has none, and from scratch does not train on a hundred subjects.
        normalisation = hp.Choice("normalisation", ["batch"])
        pooling = hp.Choice("pooling", ["average", "max"])
        factor = hp.Choice("shrink", [1, 2])
        inputs = keras.Input(input_shape, name="volume")
        x = FoldSlices(name="fold")(inputs)
        x = shrink(x, factor)
        x = vgg16_features(x, width, blocks, normalisation)
        x = pool_features(x, pooling)
        x = UnfoldSlices(input_shape[0], name="unfold")(x)
        x = fuse(x, fusion)
        return classifier(inputs, x, n_classes, self.name)


architecture = LateFusion()
