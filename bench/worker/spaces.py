"""The hyperparameters of a candidate: what its architecture asks for, and what its training has."""

import copy
import json
import tempfile
from typing import Any

import numpy as np

import architectures
from bench import tasks
from bench.measure import saved_models
from bench.tasks import FROZEN, Task
from bench.worker import arrays, programs
from tuning import space


class MissingWeights(Exception):
    """Transfer was asked for, and there is nothing to transfer from."""


def find(description: dict[str, Any]) -> dict[str, Any]:
    """Find the hyperparameters of an architecture, structural and training.

    Transfer needs weights for each structure: its candidates keep to one, the architecture's default or,
    with weights from ImageNet, the original's; where the backbone never learns, one that ends in a head.
    """
    task = tasks.load(description["task"])
    opened = arrays.dataset(description["dataset"])
    architecture = architectures.load(description["architecture"])
    x = task.prepare(np.asarray(opened.x[:1]), description["preprocessing"])
    shape, n_classes = programs.model_shape(architecture, x.shape[1:]), len(opened.classes)
    transfer = description["transfer"].removesuffix(FROZEN)
    held = getattr(architecture, "imagenet_values", {}) if transfer == "imagenet" else {}
    if programs.is_frozen(description):
        held = held | getattr(architecture, "frozen_values", {})
    searches_structure = transfer == "scratch" and description["searches_structure"]
    described = space.discover(
        lambda hp: programs.checked(architecture.build(hp, shape, n_classes), n_classes),
        _training_space(task, description),
        held=None if searches_structure else held,
        fixed=description["fixed"],
    )
    if architectures.is_path(description["architecture"]):
        structure = json.loads(programs.structure_of(default_values(described)))
        _require_usable(programs.build(description["architecture"], structure, x.shape[1:], n_classes))
    if transfer == "imagenet":  # fails here, once, where there are no weights
        try:
            programs.start_weights({**description, **default_values(described)}, x.shape[1:])
        except FileNotFoundError as error:
            fetching = description["task"] if description["task"] in ("mri", "spect") else "spect"
            file, fetch = str(error).split(":")[0], f"make data TASK={fetching}"
            raise MissingWeights(
                f"{file} is neither in WEIGHTS nor in Keras' cache; `{fetch}` fetches it"
            ) from error
    return {**described, "title": architecture.title}


def _require_usable(model: Any) -> None:
    """Find out before anything is trained whether a network of the user's own could be measured and exported.

    Raises ValueError: it ends in probabilities, or cannot be opened again once it is saved (a `Lambda`).
    """
    answers = np.asarray(model(np.random.default_rng(0).random((8, *model.input_shape[1:]), np.float32)))
    if (answers >= 0).all() and np.allclose(answers.sum(axis=1), 1, atol=1e-3):
        raise ValueError("`build` ended in probabilities; expected logits, without a softmax")
    with tempfile.TemporaryDirectory() as folder:
        try:
            model.save(f"{folder}/model.keras")
            saved_models.load_model(f"{folder}/model.keras")
        except Exception as error:
            cause = saved_models.why_not_opened(error)
            raise ValueError(
                f"a network that cannot be opened once it is saved ({cause}); expected Keras layers, no Lambda, or "
                "of the file, with a `get_config` where they take arguments"
            ) from error


def _training_space(task: Task, description: dict[str, Any]) -> list:
    """The training hyperparameters; where the backbone is frozen, the views of a sample are made once for all."""
    if description["transfer"] == "scratch":
        return list(task.training_space)
    if not programs.is_frozen(description):
        return [*task.training_space, *task.transfer_space]
    known = space.defaults(task.training_space)
    fixed = [space.Fixed(name, known[name]) for name in task.augmentation]
    searched = [e for e in (*task.training_space, *task.transfer_space) if e.name != "frozen"]
    return [*(entry for entry in searched if entry.name not in task.augmentation), *fixed]


def default_values(described: dict[str, Any]) -> dict[str, Any]:
    """The values that a training has where nothing is searched, as its description names them."""
    import keras_tuner

    values = keras_tuner.HyperParameters.from_config(copy.deepcopy(described["space"])).values
    return {"values": values, "structural": described["structural"]}
