"""What an architecture builds: a model that ends in logits, or a line that says what it ends in."""

import keras
import pytest

import architectures
from bench.data.caches.source_digest import code_digest, with_parts
from bench.worker import execute
from bench.worker.programs import ChangedFile, checked, require_unchanged


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


def test_a_worker_takes_no_other_architecture_than_the_sweep_began_with(tmp_path):
    """Two refits of a winner had 4,282 and 5,850 parameters: a file was edited between their workers' starts."""
    file = tmp_path / "mine.py"
    source = architectures.file_of("compact").read_text().replace("compact", "mine")
    file.write_text(source)
    described = {"architecture": str(file)}
    described["digest"] = code_digest(with_parts(file, architectures.FOLDER))
    file.write_text(source + "\nmore = 1\n")
    with pytest.raises(ChangedFile, match=r"^mine\.py has changed since the sweep began"):
        require_unchanged(described)
    failed = execute.run({**described, "folder": str(tmp_path), "kind": "refit"})
    assert failed["environment"]
    assert failed["failed"].startswith("mine.py has changed")
    file.write_text(source + "\n# a comment is nothing\n")
    require_unchanged(described)
    file.write_text(source + "\nmore = 1\n")
    require_unchanged(described)  # what has been imported stays
