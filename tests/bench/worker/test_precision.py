"""Mixed precision: bfloat16 inside the network, float32 for what learns and for what is kept."""

import keras
import numpy as np
import pytest

from tuning.space import defaults

pytestmark = pytest.mark.slow

SHAPES = {"vector": (8, 8, 1), "image": (32, 32, 1), "volume": (4, 32, 32, 1)}


def described(name: str, precision: str) -> dict:
    from bench.tasks.digits import Digits

    return {
        "architecture": name,
        "structural": [],
        "values": {**defaults(Digits.training_space), "schedule": "constant", "label_smoothing": 0.0},
        "augmentation": list(Digits.augmentation),
        "epochs": 1,
        "precision": precision,
    }


def trained(name: str, precision: str):
    import architectures
    from bench.worker import programs

    shape = SHAPES[architectures.load(name).input]
    description = described(name, precision)
    program, recipe = programs.program_for(description, shape, 2)
    program.reset(1, recipe.settings, 4)
    y = np.arange(16) % 2
    x = np.random.default_rng(0).standard_normal((16, *shape), dtype=np.float32) + y.reshape(
        -1, *[1] * len(shape)
    )
    losses = [program.run(x, y, np.ones(16, np.float32), 4)[0] for _ in range(2)]
    return program, losses, programs.trained_network(description, program), x


@pytest.mark.parametrize("name", ["compact", "cnn", "late_fusion"])
def test_mixed_trains_nearly_as_float32_and_what_is_kept_is_float32(name):
    program, mixed, network, x = trained(name, "mixed")
    assert "bfloat16" in {layer.compute_dtype for layer in program.model.layers}
    assert {weight.dtype for weight in program.model.weights if "seed" not in weight.path} == {"float32"}
    assert network.get_layer("head").compute_dtype == "float32"
    probabilities = keras.ops.softmax(network(x.reshape(-1, *network.input_shape[1:]), training=False))
    np.testing.assert_allclose(program.predict(x), probabilities, atol=0.05)
    _, exact, _, _ = trained(name, "float32")
    np.testing.assert_allclose(mixed, exact, rtol=0.2)
    assert mixed != exact
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.parametrize("name", ["compact", "single_slice", "vit", "resnet50_3d"])
def test_logits_are_float32_in_mixed_precision_too(name):
    """Else probabilities have eight bits, and subjects that differ tie."""
    import architectures
    from bench.worker import programs

    program, _ = programs.program_for(described(name, "mixed"), SHAPES[architectures.load(name).input], 2)
    assert "bfloat16" in {layer.compute_dtype for layer in program.model.layers}
    assert program.model.output.dtype == "float32"
