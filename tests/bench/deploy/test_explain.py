"""Where made networks look is known, so that is what their explanations must show."""

import keras
import keras_tuner
import numpy as np
import pytest
from keras import layers

import architectures
from bench.deploy import sheets
from bench.deploy.explain import Explanation, explain
from bench.deploy.saved_network import calibrated


def bright_or_dark(shape):
    """Class 0 where there is more above 0, class 1 where there is more below: by two filters of one voxel."""
    rank = len(shape) - 1
    inputs = keras.Input(shape)
    convolution = {2: layers.Conv2D, 3: layers.Conv3D}[rank](2, 1, activation="relu", use_bias=False)
    pool = {2: layers.GlobalAveragePooling2D, 3: layers.GlobalAveragePooling3D}[rank]()
    head = layers.Dense(2, use_bias=False)
    network = keras.Model(inputs, head(pool(convolution(inputs))))
    convolution.set_weights([np.array([1.0, -1.0]).reshape((1,) * (rank + 1) + (2,))])
    head.set_weights([np.eye(2)])
    return calibrated(network, 1.0)


@pytest.mark.parametrize("shape", [(12, 10, 1), (4, 8, 6, 1)])
@pytest.mark.parametrize("label", [0, 1])
def test_grad_cam_shows_what_speaks_for_the_class_and_not_what_speaks_against_it(shape, label):
    x = np.zeros((1, *shape), np.float32)
    bright, dark = (0, *([2] * (len(shape) - 1))), (0, *([3] * (len(shape) - 2)), 5)
    x[bright], x[dark] = (3, -1) if label == 0 else (1, -3)
    found = explain(bright_or_dark(shape), x)
    assert found.method == "Grad-CAM"
    assert found.heat.shape == x.shape[:-1]
    where = np.unravel_index(found.heat.argmax(), found.heat.shape)
    assert where == (bright if label == 0 else dark)
    assert np.count_nonzero(found.heat) == 1


def test_the_class_to_explain_may_be_another_than_the_network_s_own():
    x = np.zeros((2, 6, 6, 1), np.float32)
    x[:, 2, 2], x[:, 3, 5] = 3, -1  # class 0, with a little that speaks for class 1
    found = explain(bright_or_dark(x.shape[1:]), x, np.array([0, 1]))
    assert [np.unravel_index(heat.argmax(), heat.shape) for heat in found.heat] == [(2, 2), (3, 5)]


def test_gradient_times_input_shows_the_pixels_that_speak_for_the_class():
    inputs = keras.Input((9,))
    head = layers.Dense(2, use_bias=False)
    network = keras.Model(inputs, head(inputs))
    weights = np.zeros((9, 2))
    weights[4], weights[7] = (1, 0), (-0.5, 0)
    head.set_weights([weights])
    found = explain(calibrated(network, 2.0), np.ones((1, 3, 3, 1), np.float32))
    assert found.method == "gradient times input"
    assert found.heat.ravel().tolist() == [0, 0, 0, 0, 1, 0, 0, 0, 0]


def attends_to_the_brightest():
    """Four patches of 2x2; every token's query is the same, its key the brightness of its patch."""
    inputs = keras.Input((4, 4, 1))
    patches = layers.Conv2D(2, 2, strides=2)
    attention = layers.MultiHeadAttention(1, 2, use_bias=False)
    tokens = layers.Reshape((4, 2))(patches(inputs))
    x = layers.GlobalAveragePooling1D()(attention(tokens, tokens))
    network = keras.Model(inputs, layers.Dense(2)(x))
    kernel = np.zeros((2, 2, 1, 2))
    kernel[..., 0] = 1
    patches.set_weights([kernel, np.array([0.0, 1.0])])
    query, key, one = np.zeros((2, 1, 2)), np.zeros((2, 1, 2)), np.ones((2, 1, 2))
    query[1, 0, 0] = key[0, 0, 0] = 1
    attention.set_weights([query, key, one, one.reshape(1, 2, 2)])
    return calibrated(network, 1.0)


def test_rollout_shows_the_patch_that_all_others_attend_to():
    x = np.zeros((2, 4, 4, 1), np.float32)
    x[0, 2:, :2], x[1, :2, 2:] = 2, 2
    found = explain(attends_to_the_brightest(), x)
    assert found.method == "attention rollout"
    for heat, (row, column) in zip(found.heat, [(3, 0), (0, 3)], strict=True):
        assert heat[row, column] == heat.max() == 1
        assert heat[3 - row, 3 - column] < 0.01


def volume_network(name, **values):
    hp = keras_tuner.HyperParameters()
    hp.values = values
    keras.utils.set_random_seed(0)  # of some first weights nothing speaks for the class
    return calibrated(architectures.load(name).build(hp, (6, 16, 16, 1), 2), 1.0)


def test_late_fusion_shows_its_attention_to_the_slices():
    model = volume_network("late_fusion", fusion="attention", blocks=2)
    x = np.random.default_rng(0).normal(size=(2, 6, 16, 16, 1)).astype(np.float32)
    found = explain(model, x)
    weights = keras.Model(model.input, model.get_layer("attention_weight").output)(x)
    np.testing.assert_allclose(found.slices, np.asarray(weights)[..., 0], rtol=1e-5)
    np.testing.assert_allclose(found.slices.sum(axis=1), 1, rtol=1e-5)
    assert found.heat.shape == (2, 6, 16, 16)
    shown = found.heat.max(axis=(2, 3))
    np.testing.assert_array_equal(shown.argmax(axis=1), found.slices.argmax(axis=1))


@pytest.mark.parametrize(("which", "slices"), [("middle", [3]), ("several", [1, 2, 3, 4]), ("contrast", [5])])
def test_a_network_that_sees_some_slices_has_looked_at_no_others(which, slices):
    model = volume_network("single_slice", slice=which, blocks=2, normalisation="none")
    x = np.random.default_rng(1).normal(size=(1, 6, 16, 16, 1)).astype(np.float32)
    x[0, 5] *= 3
    found = explain(model, x)
    lit = np.flatnonzero(found.heat[0].max(axis=(1, 2)))
    assert set(lit) <= set(slices)
    assert len(lit) > 0


def test_of_one_map_for_all_slices_some_through_the_depth_are_shown():
    found = Explanation("Grad-CAM", np.ones((1, 14, 8, 8), np.float32), None)
    shown = sheets.picture("a", np.zeros((14, 8, 8, 1), np.float32), found, 0)
    assert [title for title, *_ in shown.panels] == ["slice 4", "slice 7", "slice 11"]


def test_early_fusion_has_looked_at_all_slices_alike():
    x = np.random.default_rng(2).normal(size=(1, 6, 16, 16, 1)).astype(np.float32)
    found = explain(volume_network("early_fusion", blocks=3), x)
    assert found.heat.shape == (1, 6, 16, 16)
    assert (found.heat[0] == found.heat[0, 0]).all()
