"""Parts that the convolutional architectures share."""

import keras

NORMALISATIONS = ("batch", "none")


def scaled(filters: int, width: float) -> int:
    """`filters` times the width multiplier, to the nearest multiple of 8 (vector registers), at least 8."""
    return max(8, 8 * round(filters * width / 8))


def normalise(x, kind: str, name: str):
    """Normalise activations `[batch, ..., channels]`; "none" leaves them as they are.

    "batch" is Ioffe and Szegedy 2015. Its statistics run over batch and positions, so that even 8 samples
    of 50x50 give 20,000 values a channel in the first blocks. The momentum of 0.9 is for trainings of a few
    hundred steps, after which Keras' 0.99 would still remember the initial statistics.
    """
    if kind == "none":
        return x
    if kind != "batch":
        raise ValueError(f"normalisation {kind!r}: expected one of {', '.join(NORMALISATIONS)}")
    return keras.layers.BatchNormalization(momentum=0.9, name=name)(x)


def shrink(x, factor: int):
    """Average squares of `factor` pixels, `[batch, height, width, channels]`; 1 leaves the image as it is."""
    return x if factor == 1 else keras.layers.AveragePooling2D(factor, name="shrink")(x)


def pool_features(x, kind: str):
    """Pool over all positions, `[batch, ..., features] -> [batch, features]`.

    "average" is what `keras.applications` and He et al. 2016 do; "max" keeps what stands out in one place
    (Oquab et al. 2015, "Is object localization for free?", CVPR).
    """
    average = {4: keras.layers.GlobalAveragePooling2D, 5: keras.layers.GlobalAveragePooling3D}
    maximum = {4: keras.layers.GlobalMaxPooling2D, 5: keras.layers.GlobalMaxPooling3D}
    return {"average": average, "max": maximum}[kind][len(x.shape)](name="features")(x)


@keras.saving.register_keras_serializable(package="scanbench")
class Patches(keras.layers.Layer):
    """Blocks of voxels as channels, `[batch, *sides, c] -> [batch, *(sides / size), c * voxels of a block]`.

    Nothing is lost, and what follows has fewer positions and more channels, which a processor likes: there, a
    strided 3D convolution of TensorFlow takes ten times as long to train as a plain one behind this. Voxels
    beyond the last whole block are left out.

    Parameters
    ----------
    size : sides of a block.
    """

    def __init__(self, size, **kwargs) -> None:
        super().__init__(**kwargs)
        self.size = tuple(size)

    def call(self, inputs):
        a, b, c = self.size
        depth, height, width = (n - n % s for n, s in zip(inputs.shape[1:4], self.size, strict=True))
        x = inputs[:, :depth, :height, :width]
        places = [(i, j, k) for i in range(a) for j in range(b) for k in range(c)]
        return keras.ops.concatenate([x[:, i::a, j::b, k::c] for i, j, k in places], axis=-1)

    def compute_output_shape(self, input_shape):
        sides = (n // s for n, s in zip(input_shape[1:4], self.size, strict=True))
        return (input_shape[0], *sides, input_shape[4] * self.size[0] * self.size[1] * self.size[2])

    def get_config(self) -> dict:
        return {**super().get_config(), "size": list(self.size)}
