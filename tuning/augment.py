"""Random variations of training images, inside the graph, replayable from a seed.

The strengths are variables of the graph, so that trials with different strengths share one trace.
"""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

MIRRORING = ("flip", "mirror")  # samples stay as sharp as they are
GEOMETRIC = ("rotation_degrees", "shift", "zoom", "elastic", *MIRRORING)
PHOTOMETRIC = ("gain", "noise", "blur")
STRENGTHS = (*GEOMETRIC, *PHOTOMETRIC)
_GRID = 4  # control points of the elastic deformation along each side


@dataclass(frozen=True)
class Augmentation:
    """Which variations a graph can make; how strong each is, its variables say.

    Parameters
    ----------
    strengths : names out of `STRENGTHS`, each with this meaning of its value `s`:

        rotation_degrees : rotation by up to +-s degrees about the centre
        shift : translation by up to +-s of the side, each axis on its own
        zoom : scaling by up to +-s, each axis half common and half on its own
        elastic : smooth displacement, standard deviation s of the side at 4x4 control points
            (Simard et al. 2003, "Best practices for convolutional neural networks", section 2)
        flip : left-right mirroring with probability s
        mirror : mirroring along the height, and of a volume along the depth, each with probability s
        gain : multiplication by up to 1 +- s and addition of up to +-s standard deviations of the image
        noise : white Gaussian noise of up to s standard deviations of the image
        blur : mixing with a 5x5 binomial blur by a share of up to s
    """

    strengths: tuple[str, ...]

    def __post_init__(self) -> None:
        unknown = set(self.strengths) - set(STRENGTHS)
        if unknown:
            raise ValueError(f"unknown augmentation {sorted(unknown)}; known: {', '.join(STRENGTHS)}")

    def __call__(self, x: tf.Tensor, strength: dict[str, tf.Variable], seed: tf.Tensor) -> tf.Tensor:
        """Vary a batch.

        Parameters
        ----------
        x : float32 `[batch, height, width, channels]`, or `[batch, depth, height, width, channels]`
            of which every slice is varied alike.
        strength : the value of each of `strengths`; a scalar.
        seed : int32 `[2]`; the same seed gives the same variation.
        """
        volume = len(x.shape) == 5
        if volume:
            depth, channels = x.shape[1], x.shape[4]
            if "mirror" in self.strengths:
                x = _mirror_depth(x, strength["mirror"], seed)
            x = tf.transpose(x, [0, 2, 3, 1, 4])
            x = tf.reshape(x, [-1, x.shape[1], x.shape[2], depth * channels])
        if any(name in self.strengths for name in GEOMETRIC):
            x = _warp(x, {name: strength[name] for name in GEOMETRIC if name in self.strengths}, seed)
        if "blur" in self.strengths:
            share = strength["blur"] * _uniform(seed, 2, [tf.shape(x)[0], 1, 1, 1])
            x += share * (_blur(x) - x)
        if "gain" in self.strengths or "noise" in self.strengths:
            deviation = tf.math.reduce_std(x, axis=[1, 2, 3], keepdims=True)
            draws = _uniform(seed, 3, [tf.shape(x)[0], 1, 1, 3])
            if "gain" in self.strengths:
                slope = 1.0 + strength["gain"] * (2.0 * draws[..., 0:1] - 1.0)
                x = x * slope + strength["gain"] * (2.0 * draws[..., 1:2] - 1.0) * deviation
            if "noise" in self.strengths:
                normal = tf.random.stateless_normal(tf.shape(x), _fold(seed, 4), alg="philox")
                x += strength["noise"] * draws[..., 2:] * deviation * normal
        if volume:
            x = tf.reshape(x, [-1, x.shape[1], x.shape[2], depth, channels])
            x = tf.transpose(x, [0, 3, 1, 2, 4])
        return x


def mirroring_unless(varies: tf.Tensor, strengths: dict[str, tf.Variable]) -> dict[str, tf.Tensor]:
    """The strengths where `varies` (bool, a scalar) is true; elsewhere 0, but for those of mirroring.

    Interpolation softens what is fine. A network that never saw a sample as sharp as those it is tested on ranks
    them well and puts them on the wrong side (He et al. 2019, "Data augmentation revisited: rethinking the
    distribution gap between clean and augmented data", arXiv:1909.09148).
    """
    share = tf.cast(varies, tf.float32)
    return {name: value if name in MIRRORING else value * share for name, value in strengths.items()}


def _fold(seed: tf.Tensor, index: int) -> tf.Tensor:
    return tf.random.experimental.stateless_fold_in(seed, index)


def _uniform(seed: tf.Tensor, index: int, shape) -> tf.Tensor:
    return tf.random.stateless_uniform(shape, _fold(seed, index), alg="philox")


def _sides(seed: tf.Tensor, index: int, batch: tf.Tensor, probability) -> tf.Tensor:
    """-1 with a probability, else 1: which of `[batch]` images are mirrored."""
    return tf.where(_uniform(seed, index, [batch]) < probability, -1.0, 1.0)


def _mirror_depth(x: tf.Tensor, probability: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Mirror volumes `[b, d, h, w, c]` along the depth, by the numbers of their slices.

    `tf.where` between volumes and mirrored ones takes twenty times as long as the mirroring.
    """
    batch, depth = tf.shape(x)[0], x.shape[1]
    sides = _sides(seed, 9, batch, probability)[:, None]
    order = tf.cast(
        (depth - 1) / 2 + sides * (np.arange(depth, dtype=np.float32) - (depth - 1) / 2), tf.int32
    )
    slices = tf.reshape(x, [-1, *x.shape[2:]])
    return tf.gather(slices, tf.range(batch)[:, None] * depth + order)


def _blur(x: tf.Tensor) -> tf.Tensor:
    """Blur `[b, h, w, c]` by the binomial 1 4 6 4 1 along both axes, mirrored at the border."""
    for axis in (1, 2):
        padding = [[0, 0], [2, 2], [0, 0], [0, 0]] if axis == 1 else [[0, 0], [0, 0], [2, 2], [0, 0]]
        side = x.shape[axis]
        padded = tf.pad(x, padding, "SYMMETRIC")
        parts = [tf.gather(padded, tf.range(k, k + side), axis=axis) for k in range(5)]
        x = (parts[0] + parts[4] + 4.0 * (parts[1] + parts[3]) + 6.0 * parts[2]) / 16.0
    return x


def _interpolation_matrix(size: int) -> np.ndarray:
    """Weights `[size, _GRID]` that spread values at control points over a side, by cubic B-splines."""
    position = np.linspace(0.5, _GRID - 1.5, size)[:, None] - np.arange(_GRID)
    distance = np.abs(position)
    weight = np.where(
        distance < 1,
        2 / 3 - distance**2 + distance**3 / 2,
        np.where(distance < 2, (2 - distance) ** 3 / 6, 0),
    )
    return (weight / weight.sum(axis=1, keepdims=True)).astype(np.float32)


def _warp(x: tf.Tensor, strength: dict, seed: tf.Tensor) -> tf.Tensor:
    """Resample `[b, h, w, c]` bilinearly at affinely and elastically displaced points, border repeated.

    Mirroring is among the displacements: as a choice between whole images it would cost more than all of this.
    """
    strength = {**dict.fromkeys(("rotation_degrees", "shift", "zoom"), 0.0), **strength}
    batch, height, width, channels = tf.shape(x)[0], x.shape[1], x.shape[2], x.shape[3]
    draws = 2.0 * _uniform(seed, 0, [batch, 6, 1, 1]) - 1.0
    angle = strength["rotation_degrees"] * (np.pi / 180) * draws[:, 0]
    common = 0.5 * strength["zoom"] * draws[:, 3]
    zoom_y = 1.0 + common + 0.5 * strength["zoom"] * draws[:, 4]
    zoom_x = 1.0 + common + 0.5 * strength["zoom"] * draws[:, 5]
    y, x_ = np.meshgrid(
        np.arange(height, dtype=np.float32) - (height - 1) / 2,
        np.arange(width, dtype=np.float32) - (width - 1) / 2,
        indexing="ij",
    )
    cos, sin = tf.cos(angle), tf.sin(angle)
    moved_y = zoom_y * (cos * y - sin * x_) + strength["shift"] * height * draws[:, 1]
    moved_x = zoom_x * (sin * y + cos * x_) + strength["shift"] * width * draws[:, 2]
    if "elastic" in strength:
        points = tf.random.stateless_normal([batch, 2, _GRID, _GRID], _fold(seed, 5), alg="philox")
        field = _interpolation_matrix(height) @ points @ _interpolation_matrix(width).T
        moved_y += strength["elastic"] * height * field[:, 0]
        moved_x += strength["elastic"] * width * field[:, 1]
    if "mirror" in strength:
        moved_y *= _sides(seed, 8, batch, strength["mirror"])[:, None, None]
    if "flip" in strength:
        moved_x *= _sides(seed, 1, batch, strength["flip"])[:, None, None]
    source_y, source_x = moved_y + (height - 1) / 2, moved_x + (width - 1) / 2

    source_y = tf.clip_by_value(source_y, 0.0, height - 1.0)
    source_x = tf.clip_by_value(source_x, 0.0, width - 1.0)
    top = tf.minimum(tf.floor(source_y), height - 2.0)
    left = tf.minimum(tf.floor(source_x), width - 2.0)
    down, right = (source_y - top)[..., None], (source_x - left)[..., None]
    first = tf.range(batch)[:, None, None] * (height * width)
    corner = first + tf.cast(top, tf.int32) * width + tf.cast(left, tf.int32)
    pixels = tf.reshape(x, [-1, channels])
    upper = tf.gather(pixels, corner) * (1.0 - right) + tf.gather(pixels, corner + 1) * right
    lower = tf.gather(pixels, corner + width) * (1.0 - right) + tf.gather(pixels, corner + width + 1) * right
    result = upper * (1.0 - down) + lower * down
    result.set_shape([None, height, width, channels])
    return result
