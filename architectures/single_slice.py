"""A 2D network on one slice of a volume, or on several that vote."""

import keras

from architectures.layers.blocks import pool_features
from architectures.layers.dense import AdjustableDropout, logits
from architectures.layers.imagenet import loads
from architectures.layers.slices import FoldSlices, PickSlices, UnfoldSlices, Vote
from architectures.layers.vgg import vgg16_features


class SingleSlice:
    """`[depth, height, width, 1] -> slice [height, width, 1] -> VGG16 -> logits`.

    Which slice: the middle one, the one of the largest contrast, or several, each of which is classified
    alone; their probabilities are then averaged (a soft vote). VGG16 as in `vgg16`.
    """

    name = "single_slice"
    title = "Single slice (VGG16)"
    input = "volume"
    imagenet_values = {"width": 1.0, "blocks": 5, "normalisation": "none"}
    imagenet = loads("vgg16")
    frozen_values = {"slice": "middle"}  # a head on features that are computed once has no votes to count

    def build(self, hp, input_shape, n_classes: int) -> keras.Model:
        which = hp.Choice("slice", ["several", "middle", "contrast"])
        width = hp.Choice("width", [0.125, 0.25])
        blocks = hp.Choice("blocks", [5, 4])
        # The original has none, and from scratch does not train on a hundred subjects.
        normalisation = hp.Choice("normalisation", ["batch"])
        pooling = hp.Choice("pooling", ["average", "max"])
        inputs = keras.Input(input_shape, name="volume")
        x = PickSlices(which, name="slices")(inputs)
        picked = x.shape[1]
        x = FoldSlices(name="fold")(x)
        x = vgg16_features(x, width, blocks, normalisation)
        x = pool_features(x, pooling)
        x = AdjustableDropout(name="dropout")(x)
        x = logits(x, n_classes)
        if picked > 1:
            x = Vote(name="vote", dtype="float32")(UnfoldSlices(picked, name="unfold")(x))
        return keras.Model(inputs, x, name=self.name)


architecture = SingleSlice()
