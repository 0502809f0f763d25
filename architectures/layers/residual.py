"""Residual networks in two and three dimensions, at any width.

He et al. 2016, "Deep residual learning for image recognition", CVPR, table 1. In the form of 50 layers,
they are named, padded and strided as in `keras.applications.ResNet50`.
"""

from collections.abc import Sequence

import keras

from architectures.layers.blocks import scaled
from architectures.layers.normalisation import BatchNormalization

EPSILON = 1.001e-5  # of keras.applications
FILTERS = (64, 128, 256, 512)
BASIC = {18: (2, 2, 2, 2), 10: (1, 1, 1, 1)}
BOTTLENECK = {50: (3, 4, 6, 3), 26: (2, 2, 2, 2), 14: (1, 1, 1, 1)}


class ResidualNetwork:
    """Builds the convolutional part.

    Parameters
    ----------
    rank : 2 for images, 3 for volumes.
    width : multiplier of the numbers of filters.
    layers : a key of `BASIC` or `BOTTLENECK`, the number of layers with weights, the head included.
    stem : "original": 7x7 convolution of stride 2, then 3x3 maximum of stride 2; "small", for images of few
        pixels: 3x3 convolution of stride 2 and no pooling.
    """

    def __init__(self, rank: int, width: float, layers: int, stem: str) -> None:
        self.rank, self.width, self.layers, self.stem = rank, width, layers, stem

    def __call__(self, x):
        """`[batch, (depth,) height, width, channels]` to features at about 1/32 (or 1/16) of the sides.

        The first convolution keeps the depth of a volume, which has fewer slices than rows.
        """
        x = self._stem(x)
        bottleneck = self.layers in BOTTLENECK
        blocks: Sequence[int] = (BOTTLENECK if bottleneck else BASIC)[self.layers]
        for stage, (count, filters) in enumerate(zip(blocks, FILTERS, strict=True), start=2):
            for block in range(1, count + 1):
                stride = 2 if stage > 2 and block == 1 else 1
                unit = self._bottleneck if bottleneck else self._basic
                x = unit(x, scaled(filters, self.width), stride, block == 1, f"conv{stage}_block{block}")
        return x

    def _stem(self, x):
        filters = scaled(FILTERS[0], self.width)
        size, strides = (7 if self.stem == "original" else 3), (1, 2, 2)[-self.rank :]
        around, flat = size // 2, (3, size, size)[-self.rank :]
        x = self._pad(x, (1, around, around)[-self.rank :], "conv1_pad")
        x = self._convolution(x, filters, flat, strides, "valid", "conv1_conv")
        x = self._relu(self._norm(x, "conv1_bn"), "conv1_relu")
        if self.stem == "original":
            x = self._pad(x, (1,) * self.rank, "pool1_pad")
            pooling = {2: keras.layers.MaxPooling2D, 3: keras.layers.MaxPooling3D}[self.rank]
            x = pooling(3, strides=2, name="pool1_pool")(x)
        return x

    def _bottleneck(self, x, filters: int, stride: int, first: bool, name: str):
        shortcut = x
        if first:
            shortcut = self._convolution(x, 4 * filters, 1, stride, "valid", f"{name}_0_conv")
            shortcut = self._norm(shortcut, f"{name}_0_bn")
        x = self._convolution(x, filters, 1, stride, "valid", f"{name}_1_conv")
        x = self._relu(self._norm(x, f"{name}_1_bn"), f"{name}_1_relu")
        x = self._convolution(x, filters, 3, 1, "same", f"{name}_2_conv")
        x = self._relu(self._norm(x, f"{name}_2_bn"), f"{name}_2_relu")
        x = self._convolution(x, 4 * filters, 1, 1, "valid", f"{name}_3_conv")
        x = self._norm(x, f"{name}_3_bn")
        return self._relu(keras.layers.Add(name=f"{name}_add")([shortcut, x]), f"{name}_out")

    def _basic(self, x, filters: int, stride: int, first: bool, name: str):
        shortcut = x
        if first and (stride > 1 or x.shape[-1] != filters):
            shortcut = self._convolution(x, filters, 1, stride, "valid", f"{name}_0_conv")
            shortcut = self._norm(shortcut, f"{name}_0_bn")
        x = self._convolution(x, filters, 3, stride, "same", f"{name}_1_conv")
        x = self._relu(self._norm(x, f"{name}_1_bn"), f"{name}_1_relu")
        x = self._convolution(x, filters, 3, 1, "same", f"{name}_2_conv")
        x = self._norm(x, f"{name}_2_bn")
        return self._relu(keras.layers.Add(name=f"{name}_add")([shortcut, x]), f"{name}_out")

    def _convolution(self, x, filters: int, size, strides, padding: str, name: str):
        layer = {2: keras.layers.Conv2D, 3: keras.layers.Conv3D}[self.rank]
        return layer(
            filters, size, strides=strides, padding=padding, kernel_initializer="he_normal", name=name
        )(x)

    def _pad(self, x, around: tuple[int, ...], name: str):
        layer = {2: keras.layers.ZeroPadding2D, 3: keras.layers.ZeroPadding3D}[self.rank]
        return layer(around, name=name)(x)

    def _norm(self, x, name: str):
        return BatchNormalization(momentum=0.9, epsilon=EPSILON, name=name)(x)

    def _relu(self, x, name: str):
        return keras.layers.ReLU(name=name)(x)
