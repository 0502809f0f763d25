"""Slices out of volumes, and what 2D networks made of them fused again."""

import keras


@keras.saving.register_keras_serializable(package="scanbench")
class FoldSlices(keras.layers.Layer):
    """Volumes `[batch, depth, ...]` to slices `[batch * depth, ...]`, so that a 2D network sees one batch.

    One convolution over all slices is several times faster than `keras.layers.TimeDistributed`.
    """

    def call(self, inputs):
        return keras.ops.reshape(inputs, (-1, *inputs.shape[2:]))


@keras.saving.register_keras_serializable(package="scanbench")
class UnfoldSlices(keras.layers.Layer):
    """What a 2D network made of slices, `[batch * depth, ...]`, back to `[batch, depth, ...]`."""

    def __init__(self, depth: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.depth = depth

    def call(self, inputs):
        return keras.ops.reshape(inputs, (-1, self.depth, *inputs.shape[1:]))

    def get_config(self) -> dict:
        return {**super().get_config(), "depth": self.depth}


@keras.saving.register_keras_serializable(package="scanbench")
class PickSlices(keras.layers.Layer):
    """Some slices of each volume, `[batch, depth, height, width, channels] -> [batch, picked, ...]`.

    Which: "middle": the slice at half the depth; "contrast": the slice whose grey values have the largest
    variance, the first of equals; "several": `SEVERAL` slices evenly spread over the middle half.
    """

    WHICH = ("middle", "contrast", "several")
    SEVERAL = 5

    def __init__(self, which: str, **kwargs) -> None:
        super().__init__(**kwargs)
        if which not in self.WHICH:
            raise ValueError(f"slice {which!r}: expected one of {', '.join(self.WHICH)}")
        self.which = which

    def places(self, depth: int) -> list[int]:
        """Indices of the slices; meaningless for "contrast"."""
        if self.which != "several":
            return [depth // 2]
        last = self.SEVERAL - 1
        return [round((0.25 + 0.5 * i / last) * (depth - 1)) for i in range(self.SEVERAL)]

    def call(self, inputs):
        depth = inputs.shape[1]
        if self.which != "contrast":
            return keras.ops.stack([inputs[:, place] for place in self.places(depth)], axis=1)
        chosen = keras.ops.argmax(keras.ops.var(inputs, axis=(2, 3, 4)), axis=1)
        # A product with a one-hot vector: gathering by sample is not in every runtime.
        mask = keras.ops.one_hot(chosen, depth, dtype=inputs.dtype)
        mask = keras.ops.reshape(mask, (-1, depth, 1, 1, 1))
        return keras.ops.sum(inputs * mask, axis=1, keepdims=True)

    def get_config(self) -> dict:
        return {**super().get_config(), "which": self.which}


@keras.saving.register_keras_serializable(package="scanbench")
class Vote(keras.layers.Layer):
    """Logits of slices, `[batch, slices, classes]`, to those of their mean probabilities, `[batch, classes]`."""

    def call(self, inputs):
        mean = keras.ops.mean(keras.ops.softmax(inputs, axis=-1), axis=1)
        return keras.ops.log(mean + 1e-7)


FUSIONS = ("mean", "max", "attention")


def fuse(x, fusion: str):
    """Fuse the features of slices, `[batch, depth, features] -> [batch, features]`.

    "mean" and "max" over the slices, a feature at a time (the latter after Su et al. 2015, "Multi-view
    convolutional neural networks", ICCV), or "attention": a mean weighted by a gated score of each slice
    (Ilse et al. 2018, "Attention-based deep multiple instance learning", ICML, equation 9).
    """
    if fusion == "mean":
        return keras.layers.GlobalAveragePooling1D(name="fusion")(x)
    if fusion == "max":
        return keras.layers.GlobalMaxPooling1D(name="fusion")(x)
    if fusion != "attention":
        raise ValueError(f"fusion {fusion!r}: expected one of {', '.join(FUSIONS)}")
    hidden = max(x.shape[-1] // 2, 8)
    value = keras.layers.Dense(hidden, activation="tanh", name="attention_value")(x)
    gate = keras.layers.Dense(hidden, activation="sigmoid", name="attention_gate")(x)
    gated = keras.layers.Multiply(name="attention_gated")([value, gate])
    score = keras.layers.Dense(1, use_bias=False, name="attention_score")(gated)
    weight = keras.layers.Softmax(axis=1, name="attention_weight")(score)
    fused = keras.layers.Dot(axes=1, name="attention_sum")([weight, x])
    return keras.layers.Flatten(name="fusion")(fused)
