"""Where a network looked: Grad-CAM in convolutional networks, attention where there is attention.

Selvaraju et al. 2017, "Grad-CAM", ICCV; for vision transformers the attention rollout of Abnar and Zuidema 2020,
"Quantifying attention flow in transformers", ACL; for late fusion its attention weights (Ilse et al. 2018), within
each slice Grad-CAM. Networks without positions (fully connected ones) are asked how much each input value speaks
for the class: gradient times input.
"""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from scipy import ndimage

from bench.deploy.saved_network import TEMPERATURE

_LEAST_SIDE = 4  # positions along height and width of a map that still shows where


@dataclass(frozen=True)
class Explanation:
    """What of each sample spoke for its class."""

    method: str  # in words
    heat: np.ndarray  # float32 `[n, ...]`, the samples' shape without channels, from 0 to 1 in each sample
    slices: np.ndarray | None = None  # float32 `[n, depth]`, attention weight of each slice, or None


def explain(model: keras.Model, x: np.ndarray, labels: np.ndarray | None = None) -> Explanation:
    """Explain what speaks for a class of prepared samples: `labels`, int `[n]`, or what the network says itself.

    `model` is as `saved_network.calibrated` makes it; `x` is float32 `[n, height, width, channels]` or
    `[n, depth, height, width, channels]`.
    """
    attention = [layer for layer in model.layers if isinstance(layer, keras.layers.MultiHeadAttention)]
    patches = _patches(model, attention)
    if patches:
        return Explanation("attention rollout", _scaled(_rollout(model, attention, patches, x)))
    layer = _last_map(model)
    if layer is None:
        value, gradient = _gradient(model, model.input, x, labels)
        product = np.asarray(gradient * value).reshape(x.shape).sum(axis=-1)
        return Explanation("gradient times input", _scaled(np.maximum(product, 0)))
    heat = _in_sample(_grad_cam(model, layer, x, labels), model, x)
    weights = next((found for found in model.layers if found.name == "attention_weight"), None)
    if weights is None:
        return Explanation("Grad-CAM", _scaled(heat))
    slices = np.asarray(keras.Model(model.input, weights.output)(x, training=False)).reshape(len(x), -1)
    within = heat / np.maximum(heat.max(axis=(2, 3), keepdims=True), 1e-12)
    return Explanation(
        "attention to slices, Grad-CAM within each", _scaled(within * slices[:, :, None, None]), slices
    )


def _spatial(shape: tuple[int | None, ...]) -> tuple[int, ...]:
    """Sides of a map `[batch, ..., channels]`; () for what is none."""
    return tuple(int(side or 0) for side in shape[1:-1]) if len(shape) in (4, 5) else ()


def _last_map(model: keras.Model) -> Any:
    """The last layer whose output still has positions to tell apart, in each slice at least `_LEAST_SIDE` a side.

    None where there is no convolution.
    """
    kinds = (keras.layers.Conv2D, keras.layers.Conv3D)
    first = next((i for i, layer in enumerate(model.layers) if isinstance(layer, kinds)), None)
    if first is None:
        return None
    maps = [layer for layer in model.layers[first:] if _spatial(layer.output.shape)]
    fine = [layer for layer in maps if min(_spatial(layer.output.shape)[-2:]) >= _LEAST_SIDE]
    return fine[-1] if fine else maps[0]


def _gradient(
    model: keras.Model, tensor: Any, x: np.ndarray, labels: np.ndarray | None
) -> tuple[tf.Tensor, tf.Tensor]:
    """A tensor of the network at samples, and the gradient by it of the logits of their classes."""
    network = keras.Model(model.input, [tensor, model.get_layer(TEMPERATURE).input])
    inputs = tf.constant(x.reshape(-1, *model.input_shape[1:]))
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        value, logits = network(inputs, training=False)
        classes = tf.argmax(logits, axis=1) if labels is None else labels
        chosen = tf.reduce_sum(tf.gather(logits, classes, axis=1, batch_dims=1))
    return value, tape.gradient(chosen, value)


def _grad_cam(model: keras.Model, layer: Any, x: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
    """Positive part of the activations' sum, weighted by the class' mean gradient; `[n or n * slices, ...]`."""
    activation, gradient = _gradient(model, layer.output, x, labels)
    axes = tuple(range(1, len(activation.shape) - 1))
    weights = tf.reduce_mean(gradient, axis=axes, keepdims=True)
    return np.maximum(np.asarray(tf.reduce_sum(weights * activation, axis=-1)), 0)


def _in_sample(heat: np.ndarray, model: keras.Model, x: np.ndarray) -> np.ndarray:
    """Bring maps to the samples' sides: of images, of whole volumes, or of a volume's slices one by one."""
    sides = x.shape[1:-1]
    if heat.ndim - 1 == len(sides):
        return np.stack([_resized(one, sides) for one in heat])
    maps = np.stack([_resized(one, sides[1:]) for one in heat]).reshape(len(x), -1, *sides[1:])
    picker = next((layer for layer in model.layers if hasattr(layer, "places")), None)
    if picker is None:  # all slices, one by one or as channels of one image
        return np.broadcast_to(maps, x.shape[:-1]).copy()
    full = np.zeros(x.shape[:-1], np.float32)
    for n, places in enumerate(_places(model, picker, x)):
        full[n, places] = maps[n]
    return full


def _places(model: keras.Model, picker: Any, x: np.ndarray) -> np.ndarray:
    """Which slices of each volume the network was shown, `[n, picked]`."""
    shown = np.asarray(keras.Model(model.input, picker.output)(x, training=False))
    differences = np.abs(x[:, None] - shown[:, :, None]).max(axis=(3, 4, 5))
    return differences.argmin(axis=2)


def _resized(heat: np.ndarray, sides: tuple[int, ...]) -> np.ndarray:
    """Interpolate linearly; the map's cells cover the image, so its values lie in their centres."""
    zoom = [side / cells for side, cells in zip(sides, heat.shape, strict=True)]
    return ndimage.zoom(heat, zoom, order=1, mode="nearest", grid_mode=True)


def _patches(model: keras.Model, layers: list) -> tuple[int, ...]:
    """Sides of the grid of patches that became the tokens of attention layers; () if there is none."""
    if not layers:
        return ()
    tokens = layers[0].input[0].shape[1]
    grids = (_spatial(layer.output.shape) for layer in model.layers)
    return next((grid for grid in grids if grid and tokens - int(np.prod(grid)) in (0, 1)), ())


def _rollout(model: keras.Model, layers: list, grid: tuple[int, ...], x: np.ndarray) -> np.ndarray:
    """Attention multiplied through the blocks, half of each kept by the residual; `[n, height, width]`."""
    inputs = keras.Model(model.input, [layer.input[0] for layer in layers])(x, training=False)
    total: Any = None
    for layer, tokens in zip(layers, inputs if isinstance(inputs, list) else [inputs], strict=True):
        scores = np.asarray(layer(tokens, tokens, return_attention_scores=True)[1]).mean(axis=1)
        mixed = 0.5 * scores + 0.5 * np.eye(scores.shape[-1])
        total = mixed if total is None else mixed @ total
    cells = int(np.prod(grid))
    extra = total.shape[-1] - cells  # a class token in front, whose view is then what counts
    seen = total[:, 0, extra:] if extra else total.mean(axis=1)
    seen = seen - seen.min(axis=1, keepdims=True)
    return np.stack([_resized(one.reshape(grid), x.shape[1:-1]) for one in seen])


def _scaled(heat: np.ndarray) -> np.ndarray:
    """From 0 to 1 in each sample; all 0 where nothing spoke for the class."""
    flat = tuple(range(1, heat.ndim))
    return (heat / np.maximum(heat.max(axis=flat, keepdims=True), 1e-12)).astype(np.float32)
