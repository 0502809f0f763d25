"""What an architecture builds: a model that ends in logits, or a line that says what it ends in."""

import keras
import pytest

from bench.worker.programs import checked


def _model(*layers) -> keras.Model:
    return keras.Sequential([keras.layers.Input((4,)), *layers])


@pytest.mark.parametrize(
    ("built", "message"),
    [
        (None, "returned NoneType; expected a keras.Model"),
        (_model(keras.layers.Dense(11)), r"ended in \(None, 11\); expected logits, \(None, 10\)"),
        (_model(keras.layers.Dense(10), keras.layers.Reshape((10, 1))), r"ended in \(None, 10, 1\)"),
        (_model(keras.layers.Dense(10, activation="softmax")), "ended in softmax; expected logits"),
    ],
)
def test_what_is_no_model_with_logits_is_told(built, message):
    """An output too many was trained, tested and compared; the report then ended in a traceback."""
    with pytest.raises((TypeError, ValueError), match=message):
        checked(built, 10)


def test_a_model_with_logits_is_handed_back():
    model = _model(keras.layers.Dense(10))
    assert checked(model, 10) is model
