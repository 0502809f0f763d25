"""At full width and depth these are the published networks: their parameters, counted by others."""

import numpy as np
import pytest

import architectures

VIT_B16 = {"patch": 16, "width": 1.0, "depth": 12, "heads": 12, "pooling": "token"}


def trainable(model, without_head: bool = False) -> int:
    skip = model.get_layer("head").trainable_variables if without_head else []
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables if not any(v is s for s in skip))


@pytest.mark.slow
def test_vgg16_and_resnet50_have_the_parameters_of_keras_applications(build_model):
    for name, count in (("vgg16", 14_714_688), ("resnet", 23_587_712)):
        model = build_model(name, architectures.load(name).imagenet_values, (32, 32, 3))
        assert model.count_params() - model.get_layer("head").count_params() - 1 - seeds(model) == count


def seeds(model) -> int:
    """Entries of the random states, which `count_params` counts where a layer holds them."""
    return sum(int(np.prod(v.shape)) for v in model.weights if "seed_generator" in v.path)


@pytest.mark.slow
def test_resnet18_has_the_parameters_of_torchvision_and_biases(build_model):
    values = {"layers": 18, "width": 1.0, "stem": "original"}
    model = build_model("resnet", values, (64, 64, 3), 1000)
    biases = 64 + 4 * 64 + 5 * 128 + 5 * 256 + 5 * 512  # A filter each; three stages have a shortcut too.
    assert trainable(model) == 11_689_512 + biases


@pytest.mark.slow
def test_vit_b16_has_the_parameters_of_the_original(build_model):
    model = build_model("vit", VIT_B16, (224, 224, 3), 1000)
    assert trainable(model) == 86_567_656


def test_sides_that_are_no_multiple_of_anything(build_model, samples):
    shape = (109, 91, 1)
    for name in ("vgg16", "resnet", "vit"):
        assert build_model(name, shape=shape)(samples(shape, 1)).shape == (1, 3)
