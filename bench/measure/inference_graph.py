"""The inference graph of a model: flat, frozen, with static shapes, which every measurement reads.

Counting operations and converting to LiteRT or ONNX all start here, so that what is counted is what is run.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2
from tensorflow.python.framework.function_def_to_graph import function_def_to_graph

INPUT = "input"
OUTPUT = "output"

_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
# Checks and orderings: nothing of them is needed to compute the answer.
_DROPPED = frozenset({"NoOp", "Assert", "StopGradient", "PreventGradient", "CheckNumerics"})
_LOOPS = frozenset({"While", "StatelessWhile", "If", "StatelessIf", "Case", "StatelessCase"})

Substitute = Callable[[tf.Operation, Sequence[tf.Tensor]], tf.Tensor]


class GraphError(Exception):
    """The model has no flat static graph; the text names the operation that prevents it."""


def inference_graph(
    model: keras.Model,
    batch: int = 1,
    input_shape: Sequence[int] | None = None,
    substitutes: Mapping[str, Substitute] | None = None,
) -> tf.Graph:
    """Trace `model(x, training=False)` of a built Keras model and freeze it into one flat graph.

    `batch` is static, so that all shapes are; `input_shape`, of a sample without the batch, is read from the
    model where it knows it. `substitutes` give, by operation type, a function `(operation, inputs) -> tensor`
    that builds the same result from other operations, for a runtime that lacks the type.

    Returns a graph from the placeholder `INPUT` to the result `OUTPUT`, variables turned into constants,
    function calls inlined, also those that Keras compiles with XLA (grouped convolutions on CPU), which no
    converter looks into.

    Raises GraphError: several inputs or outputs, a dimension that stays unknown, a loop or a branch.
    """
    if len(model.inputs) != 1:
        raise GraphError(f"{model.name}: {len(model.inputs)} inputs; only models with one can be measured")
    shape = tuple(model.inputs[0].shape[1:] if input_shape is None else input_shape)
    if None in shape:
        raise GraphError(f"{model.name}: input of shape {shape}; give input_shape without unknown dimensions")
    frozen = _frozen(model, batch, shape, _digest(model))
    if len(frozen.outputs) != 1:
        raise GraphError(f"{model.name}: {len(frozen.outputs)} outputs; only models with one can be measured")
    library = {function.signature.name: function for function in frozen.graph.as_graph_def().library.function}
    target = tf.Graph()
    with target.as_default():
        x = tf.compat.v1.placeholder(frozen.inputs[0].dtype, frozen.inputs[0].shape, name=INPUT)
        [result] = _copy(frozen.graph, [frozen.inputs[0]], frozen.outputs, [x], library, substitutes or {})
        tf.identity(result, name=OUTPUT)
    return target


def _digest(model: keras.Model) -> bytes:
    found = blake2b()
    for weight in model.weights:
        found.update(np.asarray(weight).tobytes())
    return found.digest()


@lru_cache(maxsize=1)  # operations are counted and each runtime's file written one after the other
def _frozen(model: keras.Model, batch: int, shape: tuple[int, ...], _: bytes) -> Any:
    """Trace a model and turn its variables into constants, most of what converting a network takes."""
    signature = tf.TensorSpec((batch, *shape), model.inputs[0].dtype, name=INPUT)
    traced = tf.function(lambda x: model(x, training=False)).get_concrete_function(signature)
    return convert_variables_to_constants_v2(traced, lower_control_flow=False)


def _copy(
    source: tf.Graph,
    inputs: Sequence[tf.Tensor],
    outputs: Sequence[tf.Tensor],
    values: Sequence[tf.Tensor],
    library: Mapping[str, object],
    substitutes: Mapping[str, Substitute],
) -> list[tf.Tensor]:
    """Copy the operations of `source` into the default graph, `inputs` replaced by `values`."""
    known: dict[str, tf.Tensor] = {tensor.name: value for tensor, value in zip(inputs, values, strict=True)}
    for operation in source.get_operations():
        if operation.outputs and operation.outputs[0].name in known:
            continue
        arguments = [known[tensor.name] for tensor in operation.inputs if tensor.name in known]
        if operation.type in _DROPPED:
            results = arguments[: len(operation.outputs)]
        elif operation.type in _CALLS:
            # The shapes are given anew: a call that is compiled with XLA has lost those of its results.
            function = library[operation.node_def.attr["f"].func.name]
            body = function_def_to_graph(function, [argument.shape for argument in arguments])
            results = _copy(body, body.inputs, body.outputs, arguments, library, substitutes)
        elif operation.type in _LOOPS:
            raise GraphError(f"{operation.type} {operation.name}: how often it runs is not in the graph")
        elif operation.type in substitutes:
            results = [substitutes[operation.type](operation, arguments)]
        else:
            attributes = {k: v for k, v in operation.node_def.attr.items() if not k.startswith("_")}
            dtypes = [tensor.dtype for tensor in operation.outputs]
            graph = tf.compat.v1.get_default_graph()
            results = graph.create_op(
                operation.type, arguments, dtypes, attrs=attributes, name=operation.name
            ).outputs
        known.update(zip((tensor.name for tensor in operation.outputs), results, strict=True))
    return [known[tensor.name] for tensor in outputs]
