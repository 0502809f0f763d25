"""The same results from other operations, for runtimes that lack some of TensorFlow's.

LiteRT has no 3D pooling and no grouped 3D convolution; `tf2onnx` writes the latter without its groups and
does not know `erfc`. All are exact compositions of operations that both have.
"""

from collections.abc import Callable, Sequence
from functools import partial

import tensorflow as tf


def _pool_3d(operation: tf.Operation, inputs: Sequence[tf.Tensor], kind: str) -> tf.Tensor:
    """Pool height and width, then depth, as 2D poolings of `[n, depth, height, width, channels]` reshaped.

    A maximum over a box is the maximum of the maxima over its planes. So is a mean, padding included: how
    many voxels of the box are inside the volume is a product of the counts along the axes.
    """
    x = inputs[0]
    if operation.get_attr("data_format") != b"NDHWC":
        raise ValueError(f"{operation.type} {operation.name}: only channels last")
    window, strides = operation.get_attr("ksize")[1:4], operation.get_attr("strides")[1:4]
    padding = operation.get_attr("padding").decode()
    n, depth, height, width, channels = x.shape.as_list()
    planes = tf.reshape(x, [n * depth, height, width, channels])
    planes = tf.nn.pool(planes, window[1:], kind, strides=strides[1:], padding=padding)
    _, height, width, _ = planes.shape.as_list()
    columns = tf.reshape(planes, [n, depth, height * width, channels])
    columns = tf.nn.pool(columns, [window[0], 1], kind, strides=[strides[0], 1], padding=padding)
    return tf.reshape(columns, [n, columns.shape[1], height, width, channels])


def _grouped_conv_3d(operation: tf.Operation, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
    """Convolve each group of channels by itself and put the results side by side."""
    x, kernel = inputs
    if operation.get_attr("data_format") != b"NDHWC":
        raise ValueError(f"{operation.type} {operation.name}: only channels last")
    groups = x.shape[-1] // kernel.shape[-2]
    settings = {name: operation.get_attr(name) for name in ("strides", "dilations")}
    padding = operation.get_attr("padding").decode()
    parts = zip(tf.split(x, groups, -1), tf.split(kernel, groups, -1), strict=True)
    return tf.concat(
        [tf.nn.conv3d(part, weights, padding=padding, **settings) for part, weights in parts], -1
    )


def _erfc(operation: tf.Operation, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
    """What exact GELU is made of; 1 - erf loses relative precision in the far tail only, where GELU is 0."""
    return 1.0 - tf.math.erf(inputs[0])


LITERT_SUBSTITUTES: dict[str, Callable[..., tf.Tensor]] = {
    "MaxPool3D": partial(_pool_3d, kind="MAX"),
    "AvgPool3D": partial(_pool_3d, kind="AVG"),
    "Conv3D": _grouped_conv_3d,
}

ONNX_SUBSTITUTES = {"Conv3D": _grouped_conv_3d, "Erfc": _erfc}
