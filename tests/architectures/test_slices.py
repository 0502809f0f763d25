"""Slices of volumes: which are taken, and how what they say is fused."""

import keras
import numpy as np
import pytest
from scipy.special import softmax

from architectures.layers.slices import FoldSlices, PickSlices, UnfoldSlices, Vote, fuse


def test_picks_the_middle_slice(samples):
    x = samples((7, 5, 4, 1))
    np.testing.assert_array_equal(PickSlices("middle")(x), x[:, 3:4])


def test_picks_the_slice_of_largest_variance_of_each_volume(samples):
    x = samples((7, 5, 4, 1))
    x[0, 2] *= 5
    x[1, 6] *= 5
    x[2] += np.arange(7, dtype=np.float32)[:, None, None, None] * 10  # Brighter is not more contrast.
    x[2, 0] *= 5
    np.testing.assert_allclose(PickSlices("contrast")(x)[:, 0], np.stack([x[0, 2], x[1, 6], x[2, 0]]))


@pytest.mark.parametrize(("depth", "places"), [(21, [5, 8, 10, 12, 15]), (1, [0] * 5)])
def test_picks_several_slices_of_the_middle_half(depth, places, samples):
    x = samples((depth, 3, 2, 1))
    np.testing.assert_array_equal(PickSlices("several")(x), x[:, places])


def test_unknown_slice_is_refused():
    with pytest.raises(ValueError, match="expected one of middle, contrast, several"):
        PickSlices("brightest")


def test_folding_and_unfolding_keep_slices_with_their_volumes(samples):
    x = samples((7, 5, 4, 1))
    folded = FoldSlices()(x)
    np.testing.assert_array_equal(folded[7 + 2], x[1, 2])
    np.testing.assert_array_equal(UnfoldSlices(7)(folded), x)


def test_votes_average_probabilities(samples):
    logits = samples((5, 3))
    voted = softmax(Vote()(logits).numpy(), axis=1)
    np.testing.assert_allclose(voted, softmax(logits, axis=2).mean(axis=1), atol=1e-6)


@pytest.mark.parametrize(("fusion", "expected"), [("mean", np.mean), ("max", np.max)])
def test_fusion_over_slices(fusion, expected, samples):
    x = samples((7, 6))
    np.testing.assert_allclose(fuse(keras.ops.convert_to_tensor(x), fusion), expected(x, axis=1), rtol=1e-5)


def test_attention_is_the_gated_mean_of_ilse_et_al(samples):
    inputs = keras.Input((7, 6))
    model = keras.Model(inputs, fuse(inputs, "attention"))
    x = samples((7, 6))
    kernel = {name: model.get_layer(f"attention_{name}").get_weights() for name in ("value", "gate", "score")}
    value = np.tanh(x @ kernel["value"][0] + kernel["value"][1])
    gate = 1 / (1 + np.exp(-(x @ kernel["gate"][0] + kernel["gate"][1])))
    weight = softmax((value * gate) @ kernel["score"][0], axis=1)
    np.testing.assert_allclose(model(x), (weight * x).sum(axis=1), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("fusion", ["mean", "max", "attention"])
def test_late_fusion_does_not_care_about_the_order_of_slices(fusion, build_model, samples):
    model = build_model("late_fusion", {"fusion": fusion})
    x = samples(model.input_shape[1:])
    np.testing.assert_allclose(model(x), model(x[:, ::-1].copy()), rtol=1e-4, atol=1e-5)


def test_early_fusion_does(build_model, samples):
    model = build_model("early_fusion")
    x = samples(model.input_shape[1:])
    assert not np.allclose(model(x), model(x[:, ::-1].copy()), atol=1e-3)
