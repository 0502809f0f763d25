"""Parts that architectures share, by their public names; an architecture needs Keras and these alone."""

from architectures.layers import imagenet
from architectures.layers.blocks import (
    NORMALISATIONS,
    classifier,
    convolve,
    normalise,
    pool_features,
    scaled,
    shrink,
)
from architectures.layers.dense import AdjustableDropout, logits, multilayer_perceptron
from architectures.layers.normalisation import BatchNormalization
from architectures.layers.residual import resnet_features
from architectures.layers.slices import FUSIONS, FoldSlices, PickSlices, UnfoldSlices, Vote, fuse
from architectures.layers.vgg import vgg16_features

__all__ = [
    "FUSIONS",
    "NORMALISATIONS",
    "AdjustableDropout",
    "BatchNormalization",
    "FoldSlices",
    "PickSlices",
    "UnfoldSlices",
    "Vote",
    "classifier",
    "convolve",
    "fuse",
    "imagenet",
    "logits",
    "multilayer_perceptron",
    "normalise",
    "pool_features",
    "resnet_features",
    "scaled",
    "shrink",
    "vgg16_features",
]
