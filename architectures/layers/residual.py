"""Residual networks in two and three dimensions, at any width.

He et al. 2016, "Deep residual learning for image recognition", CVPR, table 1. In the form of 50 layers,
they are named, padded and strided as in `keras.applications.ResNet50`.
"""

import keras

from architectures.layers.blocks import of_rank, scaled
from architectures.layers.normalisation import BatchNormalization

EPSILON = 1.001e-5  # of keras.applications
FILTERS = (64, 128, 256, 512)
BASIC = {18: (2, 2, 2, 2)}
BOTTLENECK = {50: (3, 4, 6, 3), 26: (2, 2, 2, 2), 14: (1, 1, 1, 1)}


def resnet_features(x, width: float, layers: int, stem: str):
    """`[batch, (depth,) height, width, channels]` to features at about 1/32 (or 1/16) of the sides.

    The first convolution keeps the depth of a volume, which has fewer slices than rows. `width` is the
    multiplier of the numbers of filters; `layers` a key of `BASIC` or `BOTTLENECK`, the number of layers with
    weights, the head included. `stem` is "original": 7x7 convolution of stride 2, then 3x3 maximum of stride
    2; or, for images of few pixels, "small": 3x3 convolution of stride 2 and no pooling.
    """
    size, rank = (7 if stem == "original" else 3), len(x.shape) - 2
    x = of_rank("ZeroPadding", x)((1, size // 2, size // 2)[-rank:], name="conv1_pad")(x)
    x = _convolve(x, scaled(FILTERS[0], width), (3, size, size)[-rank:], (1, 2, 2)[-rank:], "valid", "conv1")
    if stem == "original":
        x = of_rank("ZeroPadding", x)(1, name="pool1_pad")(x)
        x = of_rank("MaxPooling", x)(3, strides=2, name="pool1_pool")(x)
    bottleneck = layers in BOTTLENECK
    blocks = (BOTTLENECK if bottleneck else BASIC)[layers]
    for stage, (count, filters) in enumerate(zip(blocks, FILTERS, strict=True), start=2):
        for block in range(1, count + 1):
            stride = 2 if stage > 2 and block == 1 else 1
            x = _unit(x, scaled(filters, width), stride, bottleneck, f"conv{stage}_block{block}")
    return x


def _unit(x, filters: int, stride: int, bottleneck: bool, name: str):
    shortcut, widened = x, 4 * filters if bottleneck else filters
    if stride > 1 or x.shape[-1] != widened:
        shortcut = _convolve(x, widened, 1, stride, "valid", f"{name}_0", relu=False)
    if bottleneck:
        x = _convolve(x, filters, 1, stride, "valid", f"{name}_1")
        x = _convolve(x, filters, 3, 1, "same", f"{name}_2")
        x = _convolve(x, widened, 1, 1, "valid", f"{name}_3", relu=False)
    else:
        x = _convolve(x, filters, 3, stride, "same", f"{name}_1")
        x = _convolve(x, filters, 3, 1, "same", f"{name}_2", relu=False)
    return keras.layers.ReLU(name=f"{name}_out")(keras.layers.Add(name=f"{name}_add")([shortcut, x]))


def _convolve(x, filters: int, size, strides, padding: str, name: str, relu: bool = True):
    x = of_rank("Conv", x)(
        filters, size, strides=strides, padding=padding, kernel_initializer="he_normal", name=f"{name}_conv"
    )(x)
    x = BatchNormalization(momentum=0.9, epsilon=EPSILON, name=f"{name}_bn")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x) if relu else x
