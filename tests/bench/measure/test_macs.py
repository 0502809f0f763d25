"""MACs against hand counts, written out as products of sizes."""

import keras
import pytest
import tensorflow as tf
from keras import layers

from bench.measure.macs import UncountableError, macs


def count(shape, *body):
    return macs(keras.Sequential([keras.Input(shape), *body]))


def test_dense():
    body = [layers.Dense(64, "relu"), layers.Dropout(0.5), layers.Dense(10)]
    assert count((256,), *body) == 256 * 64 + 64 * 10


def test_dense_on_a_sequence():
    assert count((7, 5), layers.Dense(3)) == 7 * 5 * 3


@pytest.mark.parametrize(
    ("shape", "layer", "expected"),
    [
        ((20, 3), layers.Conv1D(8, 5), 16 * 5 * 3 * 8),
        ((12, 10, 3), layers.Conv2D(8, 3, padding="same"), 12 * 10 * 9 * 3 * 8),
        ((12, 10, 3), layers.Conv2D(8, 3), 10 * 8 * 9 * 3 * 8),
        ((12, 10, 3), layers.Conv2D(8, 3, strides=2, padding="same"), 6 * 5 * 9 * 3 * 8),
        ((12, 10, 3), layers.Conv2D(8, 3, dilation_rate=2), 8 * 6 * 9 * 3 * 8),
        ((11, 13, 4), layers.Conv2D(8, 3, dilation_rate=2, padding="same"), 11 * 13 * 9 * 4 * 8),
        ((8, 8, 16), layers.Conv2D(16, 3, dilation_rate=6, padding="same"), 8 * 8 * 9 * 16 * 16),
        ((7, 8, 9, 2), layers.Conv3D(4, 3, dilation_rate=2, padding="same"), 7 * 8 * 9 * 27 * 2 * 4),
        ((21, 3), layers.Conv1D(8, 5, dilation_rate=2, padding="same"), 21 * 5 * 3 * 8),
        ((11, 13, 4), layers.DepthwiseConv2D(3, dilation_rate=2), 7 * 9 * 9 * 4),
        ((12, 10, 6), layers.Conv2D(9, 3, groups=3), 10 * 8 * 9 * 2 * 9),
        ((6, 8, 10, 2), layers.Conv3D(4, (1, 3, 5), padding="same"), 6 * 8 * 10 * 15 * 2 * 4),
        ((6, 6, 6, 4), layers.Conv3D(8, 3, groups=2), 4**3 * 27 * 2 * 8),
        ((12, 10, 3), layers.DepthwiseConv2D(3, depth_multiplier=2), 10 * 8 * 9 * 3 * 2),
        ((12, 10, 3), layers.SeparableConv2D(8, 3), 10 * 8 * (9 * 3 + 3 * 8)),
        ((12, 10, 3), layers.Conv2DTranspose(8, 4, strides=2, padding="same"), 12 * 10 * 3 * 16 * 8),
        ((4, 4, 4, 3), layers.Conv3DTranspose(8, 2, strides=2), 4**3 * 3 * 8 * 8),
    ],
)
def test_convolutions(shape, layer, expected):
    assert count(shape, layer) == expected


@pytest.mark.parametrize(("value_dim", "queries"), [(None, 16), (3, 16), (5, 9)])
def test_attention_with_both_products(value_dim, queries):
    keys, width, heads, key_dim = 16, 12, 4, 6
    value = value_dim or key_dim
    x = keras.Input((keys, width))
    query = x[:, :queries]
    attention = layers.MultiHeadAttention(heads, key_dim, value_dim=value_dim)
    model = keras.Model(x, attention(query, x))
    projections = width * heads * (queries * key_dim + keys * key_dim + keys * value)
    scores = heads * queries * keys * key_dim
    mixing = heads * queries * keys * value
    output = queries * heads * value * width
    assert macs(model) == projections + scores + mixing + output


def test_nested_models_and_time_distributed_count_every_use():
    inner = keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(4, 3), layers.GlobalAveragePooling2D()])
    once = 6 * 6 * 9 * 4
    assert count((8, 8, 1), inner, layers.Dense(2)) == once + 4 * 2
    slices = count((5, 8, 8, 1), layers.TimeDistributed(inner), layers.GlobalMaxPooling1D(), layers.Dense(2))
    assert slices == 5 * once + 4 * 2


class Gram(layers.Layer):
    """A custom layer: products that no Keras layer declares."""

    def call(self, x):
        product = tf.einsum("...ij,...kj->...ik", x, x)
        return tf.matmul(product, x, transpose_a=True) + keras.ops.einsum("bij->bij", x)


def test_custom_layers():
    assert count((3, 6, 5), layers.Reshape((18, 5)), Gram()) == 18 * 18 * 5 * 2


def test_what_grows_with_activations_only_is_left_out():
    normal, gelu = layers.BatchNormalization(), layers.Activation("gelu")
    assert count((8, 8, 3), normal, gelu, layers.AveragePooling2D(2), layers.Rescaling(2.0)) == 0


def test_a_loop_is_named():
    with pytest.raises(UncountableError, match=r"While.*lstm"):
        count((7, 4), layers.LSTM(3))


def test_unknown_shape_is_refused():
    with pytest.raises(UncountableError, match="unknown dimensions"):
        count((None, None, 1), layers.Conv2D(4, 3), layers.GlobalAveragePooling2D())


class Filtered(layers.Layer):
    """How many rows are left depends on the data."""

    def call(self, x):
        kept = tf.boolean_mask(x, tf.reduce_sum(x, -1) > 0)
        return tf.matmul(kept, tf.ones((4, 2)))


def test_a_product_of_unknown_shape_is_named():
    with pytest.raises(UncountableError, match=r"MatMul .*filtered.*unknown shape"):
        count((6, 4), Filtered())


def test_a_shape_can_be_given():
    body = [layers.Conv2D(4, 3), layers.GlobalAveragePooling2D()]
    model = keras.Sequential([keras.Input((None, None, 1)), *body])
    assert macs(model, input_shape=(8, 8, 1)) == 6 * 6 * 9 * 4


def test_vgg16():
    """Simonyan and Zisserman (2015), configuration D, counted block by block."""
    model = keras.applications.VGG16(weights=None, include_top=False, input_shape=(64, 64, 3))
    expected, size, channels = 0, 64, 3
    for width, repeats in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(repeats):
            expected += size * size * 9 * channels * width
            channels = width
        size //= 2
    assert macs(model) == expected
