"""The convolutional part of VGG16, at any width and depth.

Simonyan and Zisserman 2015, "Very deep convolutional networks for large-scale image recognition", ICLR,
table 1, configuration D. Layers are named as in `keras.applications.VGG16`.
"""

import keras

from architectures.layers.blocks import convolve, scaled

CONVOLUTIONS = (2, 2, 3, 3, 3)
FILTERS = (64, 128, 256, 512, 512)


def vgg16_features(x, width: float, blocks: int, normalisation: str):
    """Apply the first `blocks` blocks.

    Parameters
    ----------
    x : `[batch, height, width, channels]`, at least 2x2.
    width : multiplier of the numbers of filters, 64 to 512.
    blocks : 1 to 5. The pooling of a block is left out where less than 2x2 pixels are left.
    normalisation : "none" (the original) or "batch", after each convolution.

    Returns `[batch, height / 2**blocks, width / 2**blocks, filters]`, sides rounded down, at least 1.
    """
    for block in range(1, blocks + 1):
        filters = scaled(FILTERS[block - 1], width)
        for number in range(1, CONVOLUTIONS[block - 1] + 1):
            x = convolve(x, filters, 3, f"block{block}_{{}}{number}", normalisation)
        if min(x.shape[1:3]) >= 2:
            x = keras.layers.MaxPooling2D(name=f"block{block}_pool")(x)
    return x
