"""A slim vision transformer."""

import keras

from architectures.layers.blocks import classifier
from architectures.layers.dense import AdjustableDropout


@keras.saving.register_keras_serializable(package="scanbench")
class Positions(keras.layers.Layer):
    """Adds learned positions to tokens `[batch, tokens, width]`, behind a learned class token if asked for."""

    def __init__(self, class_token: bool, **kwargs) -> None:
        super().__init__(**kwargs)
        self.class_token = class_token

    def build(self, input_shape) -> None:
        _, tokens, width = input_shape
        small = keras.initializers.TruncatedNormal(stddev=0.02)
        if self.class_token:
            self.token = self.add_weight(shape=(1, 1, width), initializer="zeros", name="class_token")
        self.positions = self.add_weight(
            shape=(1, tokens + self.class_token, width), initializer=small, name="positions"
        )

    def call(self, inputs):
        if self.class_token:
            batch, _, width = keras.ops.shape(inputs)
            token = keras.ops.broadcast_to(self.token, (batch, 1, width))
            inputs = keras.ops.concatenate([token, inputs], axis=1)
        return inputs + self.positions

    def get_config(self) -> dict:
        return {**super().get_config(), "class_token": self.class_token}


@keras.saving.register_keras_serializable(package="scanbench")
class FirstToken(keras.layers.Layer):
    """The first of the tokens, `[batch, tokens, width] -> [batch, width]`."""

    def call(self, inputs):
        return inputs[:, 0]


@keras.saving.register_keras_serializable(package="scanbench")
def gelu(x):
    """GELU in its tanh form, as in the original's code; every runtime has it, unlike the error function."""
    return keras.activations.gelu(x, approximate=True)


class ViT:
    """Dosovitskiy et al. 2021, "An image is worth 16x16 words", ICLR, `[height, width, 1] -> logits`.

    Slimmed from ViT-B (patches of 16 pixels, width 768, depth 12, 12 heads): smaller patches for smaller
    images, `width` a multiplier of 768, fewer blocks and heads. An image whose sides are no multiple of the
    patch is padded with zeros. Mean pooling instead of the class token is the choice of Zhai et al. 2022,
    "Scaling vision transformers", section 3.2 and of Beyer et al. 2022, "Better plain ViT baselines".
    """

    name = "vit"
    title = "Vision transformer"
    input = "image"

    def build(self, hp, input_shape, n_classes: int) -> keras.Model:
        patch = hp.Choice("patch", [5, 10])
        heads = hp.Choice("heads", [4, 2])
        width = heads * round(768 * hp.Choice("width", [0.0625, 0.125]) / heads)
        depth = hp.Choice("depth", [4, 6])
        pooling = hp.Choice("pooling", ["mean", "token"])
        inputs = keras.Input(input_shape, name="image")
        x = keras.layers.Conv2D(width, patch, strides=patch, padding="same", name="patches")(inputs)
        x = keras.layers.Reshape((-1, width), name="tokens")(x)
        x = Positions(class_token=pooling == "token", name="positions")(x)
        for block in range(1, depth + 1):
            x = _block(x, width, heads, f"block{block}")
        x = _norm(x, "norm")
        if pooling == "token":
            x = FirstToken(name="features")(x)
        else:
            x = keras.layers.GlobalAveragePooling1D(name="features")(x)
        return classifier(inputs, x, n_classes, self.name)


def _norm(x, name: str):
    return keras.layers.LayerNormalization(epsilon=1e-6, name=name)(x)


def _block(x, width: int, heads: int, name: str):
    """Self-attention, then two dense layers, each behind a layer normalisation and around a residual."""
    y = _norm(x, f"{name}_norm1")
    y = keras.layers.MultiHeadAttention(heads, width // heads, name=f"{name}_attention")(y, y)
    y = AdjustableDropout(scale=0.5, name=f"{name}_dropout1")(y)
    x = keras.layers.Add(name=f"{name}_add1")([x, y])
    y = _norm(x, f"{name}_norm2")
    y = keras.layers.Dense(4 * width, activation=gelu, name=f"{name}_dense1")(y)
    y = keras.layers.Dense(width, name=f"{name}_dense2")(y)
    y = AdjustableDropout(scale=0.5, name=f"{name}_dropout2")(y)
    return keras.layers.Add(name=f"{name}_add2")([x, y])


architecture = ViT()
