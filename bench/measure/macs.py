"""Multiply-accumulate operations of a forward pass, counted over the graph that is run."""

import math
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from bench.measure.inference_graph import GraphError, inference_graph


class UncountableError(Exception):
    """An operation multiplies, but how often cannot be read off the graph; the text names it."""


def macs(model: keras.Model, input_shape: Sequence[int] | None = None) -> int:
    """Count the multiply-accumulate operations (MACs) of one sample's forward pass in inference mode.

    One MAC is one multiplication and one addition into a sum (`acc += a * b`): half of what is called FLOPs
    elsewhere. Counted are the contractions: dense layers, convolutions of one to three dimensions (grouped,
    depthwise, transposed and dilated ones too), matrix products and `einsum`, so attention with both of its
    products, wherever they stand: in nested models, `TimeDistributed` and custom layers. Left out, as is
    usual, are biases, activations, normalisation, pooling, resizing and other work that grows with the
    number of activations only. Products with the zeros of padding count, as does what a transposed
    convolution crops.

    The model has one input and one output, and need not be compiled; `input_shape` is that of one sample,
    where the model does not know it. Raises UncountableError: a contraction of unknown shape or of a kind
    that is not counted here, or a loop.
    """
    try:
        graph = inference_graph(model, 1, input_shape)
    except GraphError as error:
        raise UncountableError(str(error)) from error
    total = 0
    for operation in graph.get_operations():
        if operation.type.startswith(_UNCOUNTABLE):
            raise UncountableError(
                f"{operation.type} {operation.name}: it multiplies in a way that is not counted"
            )
        if count := _COUNTS.get(operation.type):
            total += count(operation)
    return total


def _shape(operation: tf.Operation, tensor: tf.Tensor) -> tuple[int, ...]:
    if not tensor.shape.is_fully_defined():
        raise UncountableError(f"{operation.type} {operation.name}: unknown shape {tensor.shape}")
    return tuple(tensor.shape.as_list())


def _convolution(operation: tf.Operation) -> int:
    """Each output is a sum over the kernel; its input channels are those of one group already.

    Transposed, each input is multiplied with the whole window of every output channel.
    """
    transposed = len(operation.inputs) == 3
    elements = math.prod(_shape(operation, operation.inputs[2])) if transposed else _outputs(operation)
    return elements * math.prod(_shape(operation, operation.inputs[1])[:-1])


def _depthwise(operation: tf.Operation) -> int:
    """Each output is a sum over the window in a single channel."""
    height, width, _, _ = _shape(operation, operation.inputs[1])
    return _outputs(operation) * height * width


def _outputs(operation: tf.Operation) -> int:
    """Elements of a convolution's output.

    Dilated, it may be a plain one between rearrangements that pad its input and crop its output; the rest counts.
    """
    tensor = operation.outputs[0]
    while len(tensor.consumers()) == 1 and (follower := tensor.consumers()[0]).type in _REARRANGED:
        tensor = follower.outputs[0]
        if follower.type == "BatchToSpaceND":
            return math.prod(_shape(operation, tensor))
    return math.prod(_shape(operation, operation.outputs[0]))


def _matrix_product(operation: tf.Operation) -> int:
    left = _shape(operation, operation.inputs[0])
    # MatMul says `transpose_a`, BatchMatMul `adj_x`: the contracted axis is then the last but one.
    name = "transpose_a" if operation.type == "MatMul" else "adj_x"
    contracted = left[-2] if operation.get_attr(name) else left[-1]
    return math.prod(_shape(operation, operation.outputs[0])) * contracted


def _einsum(operation: tf.Operation) -> int:
    """The product of the sizes of all distinct labels, batch dimensions of an ellipsis included."""
    equation = operation.get_attr("equation").decode()
    if len(operation.inputs) == 1:
        return 0  # A transposition, a diagonal or a sum: nothing is multiplied.
    if len(operation.inputs) != 2:
        raise UncountableError(f"Einsum {operation.name}: {equation} has more than two operands")
    sizes: dict[str, int] = {}
    broadcast = tf.TensorShape([])
    for term, tensor in zip(equation.split("->")[0].split(","), operation.inputs, strict=True):
        shape = _shape(operation, tensor)
        before, dots, after = term.strip().partition("...")
        middle = shape[len(before) : len(shape) - len(after)] if dots else ()
        named = shape[: len(before)] + shape[len(shape) - len(after) :] if dots else shape
        sizes.update(zip(before + after, named, strict=True))
        broadcast = tf.broadcast_static_shape(broadcast, tf.TensorShape(middle))
    return math.prod(sizes.values()) * math.prod(broadcast.as_list())


_REARRANGED = ("Squeeze", "ExpandDims", "Reshape", "BatchToSpaceND")
_COUNTS: dict[str, Callable[[tf.Operation], int]] = {
    **dict.fromkeys(("Conv", "Conv2D", "Conv3D"), _convolution),
    **dict.fromkeys(("Conv2DBackpropInput", "Conv3DBackpropInputV2"), _convolution),
    "DepthwiseConv2dNative": _depthwise,
    **dict.fromkeys(("MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"), _matrix_product),
    "Einsum": _einsum,
}

# Beginnings of the types that contract but are not in the table: better no number than a wrong one.
_UNCOUNTABLE = (
    "XlaDot",
    "XlaConv",
    "XlaEinsum",
    "Conv2DBackpropFilter",
    "Conv3DBackpropFilter",
    "SparseMatMul",
    "SparseTensorDense",
    "Quantized",
    "FFT",
    "IFFT",
    "RFFT",
    "IRFFT",
    "MatrixInverse",
    "MatrixSolve",
    "MatrixTriangularSolve",
    "CudnnRNN",
    "Dilation2D",
    "FusedConv",
    "_FusedConv",
    "_FusedMatMul",
)
