"""Weights that `keras.applications` learned on ImageNet, for grey images, slices and colour images.

An input value is taken as a z-score: x stands for a grey image x standard deviations, `DEVIATION` grey values
each, brighter than ImageNet's mean colour. `keras.applications.vgg16.preprocess_input` (which ResNet-50 shares)
takes that mean away again, and what is left is the same in all three channels, 58 x. So a first filter summed
over its three channels and multiplied by 58 computes on x what the original computes on that image,
exactly so at the zero-padded border too. Weights that saw values of +-100 would see +-2 without the factor,
and their biases would drown the image. Of a colour image each channel is taken so, by the filter of its colour.
"""

from collections.abc import Callable
from pathlib import Path

import h5py
import keras
import numpy as np

from architectures._imagenet_files import find

FIRST = ("block1_conv1", "conv1_conv")
DEVIATION = 58.0  # of ImageNet's grey values: 255 * 0.226, the mean of 0.229, 0.224 and 0.225, rounded


def read(path: Path) -> dict[str, list[np.ndarray]]:
    """Read the arrays of each layer that has any, from the HDF5 format of `keras.applications`.

    Raises ValueError: another format, or a damaged file.
    """
    try:
        with h5py.File(path, "r") as file:
            groups = file.get("model_weights", file)
            found = {
                name: [np.asarray(group[entry]) for entry in group.attrs["weight_names"]]
                for name, group in groups.items()
                if isinstance(group, h5py.Group)
            }
    except (OSError, KeyError) as error:
        raise ValueError(
            f"{path}: not a weights file in the format of keras.applications ({error})"
        ) from None
    return {name: arrays for name, arrays in found.items() if arrays}


def load(model: keras.Model, kind: str, weights: str | Path | None = None, colour: bool = False) -> None:
    """Load the convolutions, and batch normalisations, of a network of the original's width.

    Parameters
    ----------
    model : its layers are named as in `keras.applications`; those that fuse slices and "head" stay as they
        are. It may have fewer blocks than the original.
    kind, weights : as for `find`.
    colour : whether three channels are red, green and blue; else they are slices.

    Raises FileNotFoundError: there is no such file; ValueError: the network is slimmed or otherwise not the
    original, or the file is damaged.
    """
    path = find(kind, weights)
    arrays = read(path)
    chosen: list[tuple[keras.layers.Layer, list[np.ndarray]]] = []
    for layer in model.layers:
        if not layer.weights or not layer.name.startswith(("block", "conv")):
            continue
        if layer.name not in arrays:
            raise ValueError(
                f"{model.name}: {path.name} has no layer {layer.name}; only the original fits it"
            )
        values = list(arrays[layer.name])
        shapes = [tuple(weight.shape) for weight in layer.weights]
        if values[0].ndim == 4:
            values[0] = _adapt(values[0], shapes[0], layer.name in FIRST, colour)
        stored = [value.shape for value in values]
        if stored != shapes:
            raise ValueError(
                f"{model.name}: layer {layer.name} has shapes {shapes}, {path.name} has {stored}; "
                "imagenet weights fit the original width and form only"
            )
        chosen.append((layer, values))
    for layer, values in chosen:
        layer.set_weights(values)


def loads(kind: str) -> Callable[..., None]:
    """A method `imagenet(model, weights=None)` of an architecture, whose `image` of three channels has colours."""
    return lambda self, model, weights=None: load(model, kind, weights, self.input == "image")


def _adapt(kernel: np.ndarray, shape: tuple[int, ...], first: bool, colour: bool) -> np.ndarray:
    """Make a kernel `[height, width, in, out]` fit the input's channels and, where asked for, a depth.

    The first kernel, stored for blue, green and red, is turned round for colours. Of other inputs it is summed
    over them and, where there are several channels (slices), spread evenly over these, so that equal slices give
    what one of them would. In 3D the weights go to the middle of the depth, all others are 0: each slice then gives
    what the 2D network makes of it, at the ends of the volume too.
    Repeating the weights over the depth (Carreira and Zisserman 2017, "Quo vadis, action recognition?",
    section 2.4) would fade towards the zero padding at both ends, all there is in a volume of few slices.
    """
    channels = shape[-2]
    if first and colour and channels == kernel.shape[2]:
        kernel = kernel[:, :, ::-1] * DEVIATION
    elif first:
        kernel = kernel.sum(axis=2, keepdims=True) * (DEVIATION / channels)
        kernel = np.repeat(kernel, channels, axis=2)
    if len(shape) == 5:
        inflated = np.zeros((shape[0], *kernel.shape), kernel.dtype)
        inflated[shape[0] // 2] = kernel
        kernel = inflated
    return kernel.astype(np.float32)
