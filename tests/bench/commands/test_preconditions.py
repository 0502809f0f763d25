"""What a sweep refuses before anything is recorded."""

from types import SimpleNamespace

import numpy as np
import pytest
from fake_workers import TinyDigits, settings_for

import architectures
from bench.commands.preconditions import require_fitting
from bench.errors import UserError
from bench.tasks import Candidate
from tuning.space import Choice

DIGITS = SimpleNamespace(x=np.zeros((3, 16, 16, 1), np.float32), classes=tuple("0123456789"))


def refused(tmp_path, **changed) -> str:
    with pytest.raises(UserError) as error:
        require_fitting(settings_for(tmp_path, **changed), DIGITS)
    return str(error.value)


def test_a_task_with_its_own_candidates_is_let_pass(tmp_path):
    require_fitting(settings_for(tmp_path, candidates=TinyDigits.candidates), DIGITS)


def test_an_architecture_for_other_samples_is_a_line(tmp_path):
    line = refused(tmp_path, candidates=(Candidate("compact"), Candidate("cnn_3d")))
    assert (
        "cnn_3d: found an architecture for samples of the kind volume, not for 16 x 16 x 1; expected" in line
    )


def test_imagenet_weights_that_an_architecture_cannot_load_are_a_line(tmp_path):
    line = refused(tmp_path, candidates=(Candidate("compact", "imagenet"),))
    assert line.startswith("ARCH=compact-imagenet: found no `imagenet` in compact.py;")


def test_an_architecture_of_the_folder_that_cannot_be_imported_is_a_line(tmp_path, monkeypatch):
    def load(name):
        raise SyntaxError("never closed")

    monkeypatch.setattr(architectures, "load", load)
    assert "ARCH=compact" in (line := refused(tmp_path))
    assert "SyntaxError: never closed" in line


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metric": "sensitivity"}, "found the metric sensitivity, and 10 classes"),
        ({"metric": "sensitivity[10]"}, "found the metric sensitivity[10], and 10 classes"),
        (
            {"training_space": (Choice("batch_size", (0,)), Choice("learning_rate", (1e-3,)))},
            "a batch_size of 0",
        ),
        (
            {"training_space": (Choice("batch_size", (8,)), Choice("momentum", (0.9,)))},
            "hyperparameter 'momentum'",
        ),
        (
            {"training_space": (Choice("batch_size", (8,)), Choice("schedule", ("step",)))},
            "of no training ('step')",
        ),
    ],
)
def test_what_no_training_of_the_task_can_do_is_a_line(tmp_path, changes, message):
    assert message in refused(tmp_path, task=TinyDigits().but(**{"augmentation": (), **changes}))


def test_an_augmentation_that_does_not_exist_is_a_line(tmp_path):
    task = TinyDigits().but(augmentation=("rotation_degrees", "twirl"))
    assert "found augmentation 'twirl'; expected some of" in refused(tmp_path, task=task)
