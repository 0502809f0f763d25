"""The compiled network of a work item and the weights it starts from. Kept between items."""

import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import architectures
from bench import tasks
from bench.data.caches.source_digest import code_digest, with_parts
from bench.tasks import FROZEN


class ChangedFile(Exception):
    """A file says something else than when the sweep began."""


def require_unchanged(description: dict[str, Any]) -> None:
    """Import what a description is of as it was when the sweep began: a worker that starts later reads files anew.

    Raises ChangedFile: the architecture's or the task's file, or what it imports of ours, says something else by
    now.
    """
    if expected := description.get("digest"):
        _import_unchanged(description["architecture"], expected)
    expected = description.get("task_digest")
    if expected and tasks.load(description["task"]).file_digest != expected:
        raise ChangedFile(_changed(Path(description["task"])))


@functools.lru_cache
def _import_unchanged(architecture: str, expected: str) -> None:
    file = architectures.file_of(architecture)
    if code_digest(with_parts(file, architectures.FOLDER)) != expected:
        raise ChangedFile(_changed(file))
    architectures.load(architecture)


def _changed(file: Path) -> str:
    return f"{file.name} has changed since the sweep began; run the command again, or put it back"


def model_shape(architecture: architectures.Architecture, sample_shape: tuple[int, ...]) -> tuple[int, ...]:
    """Shape that a network's input has: flattened for one that takes a vector.

    Raises ValueError: the architecture takes other samples.
    """
    axes = {"image": 3, "volume": 4}.get(architecture.input, len(sample_shape))
    if len(sample_shape) != axes:
        shape = " x ".join(map(str, sample_shape))
        raise ValueError(f"an architecture for samples of the kind {architecture.input}, not for {shape}")
    return (int(np.prod(sample_shape)),) if architecture.input == "vector" else tuple(sample_shape)


def build(
    architecture: str,
    values: dict[str, Any],
    sample_shape: tuple[int, ...],
    n_classes: int,
    precision: str = "float32",
):
    """A fresh model of an architecture with the structural values given.

    `precision`: "mixed" computes in bfloat16, whose range is that of float32, so that no loss has to be scaled;
    weights are float32 all the same.
    """
    import keras
    import keras_tuner

    found = architectures.load(architecture)
    hp = keras_tuner.HyperParameters()
    hp.values = dict(values)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy({"mixed": "mixed_bfloat16"}.get(precision, precision))
    try:
        model = checked(found.build(hp, model_shape(found, sample_shape), n_classes), n_classes)
        if values and (new := set(hp.values) - set(values)):
            raise ValueError(
                f"`build` asked for {min(new)!r} for some values of others alone; expected that in "
                "`with hp.conditional_scope(...)`, or it is never searched"
            )
        return model
    finally:
        keras.config.set_dtype_policy(before)


def checked(model: Any, n_classes: int) -> Any:
    """What a `build` returned, if it is a model that ends in logits.

    Raises TypeError, ValueError: it is none; else an output too many would be trained, tested and compared.
    """
    import keras

    if not isinstance(model, keras.Model):
        raise TypeError(f"`build` returned {type(model).__name__}; expected a keras.Model")
    if model.output_shape != (None, n_classes):
        raise ValueError(f"`build` ended in {model.output_shape}; expected logits, (None, {n_classes})")
    last = getattr(model.layers[-1], "activation", None)
    if last in (keras.activations.softmax, keras.activations.sigmoid):
        raise ValueError(f"`build` ended in {last.__name__}; expected logits, without an activation")
    return model


@functools.lru_cache(maxsize=4)
def _program(
    architecture: str,
    structure: str,
    sample_shape: tuple,
    n_classes: int,
    augmentation: tuple,
    freezable: bool,
    precision: str,
):
    """Programs are kept: a structure is traced once, unless a worker has trained four others since."""
    from tuning.augment import Augmentation
    from tuning.program import Program

    values = json.loads(structure)
    return Program(
        lambda: build(architecture, values, sample_shape, n_classes, precision),
        sample_shape,
        Augmentation(augmentation) if augmentation else None,
        freezable,
    )


def program_for(description: dict[str, Any], sample_shape: tuple[int, ...], n_classes: int):
    """Return program and recipe of a description: structural values choose the one, the rest the other."""
    from tuning.training import Recipe

    structural = set(description["structural"])
    values = description["values"]
    training = {name: value for name, value in values.items() if name not in structural}
    if is_frozen(description):
        from bench.worker import frozen

        for name in description["augmentation"]:  # it has been done, in the features
            training.pop(name, None)
        recipe = Recipe.from_values(training, description["epochs"], description.get("stable", 0.0))
        return frozen.head_program(tuple(sample_shape), n_classes), recipe
    program = _program(
        description["architecture"],
        structure_of(description),
        tuple(sample_shape),
        n_classes,
        tuple(description["augmentation"]),
        "frozen" in training or description.get("freezable", False),
        description.get("precision", "float32"),
    )
    return program, Recipe.from_values(training, description["epochs"], description.get("stable", 0.0))


def is_frozen(description: dict[str, Any]) -> bool:
    """Say whether nothing but the head learns: what networks see are then features (`bench.worker.frozen`)."""
    return description.get("transfer", "").endswith(FROZEN)


def trained_network(description: dict[str, Any], program):
    """The whole network that a program has trained, or the head of, computing in float32 as other runtimes do."""
    if is_frozen(description):
        from bench.worker import frozen

        return frozen.network(description, program)
    if description.get("precision", "float32") == "float32":
        return program.model
    values, n_classes = json.loads(structure_of(description)), program.model.output_shape[-1]
    network = build(description["architecture"], values, program.sample_shape, n_classes)
    network.set_weights(program.model.get_weights())
    return network


def structure_of(description: dict[str, Any]) -> str:
    """The structural values of a description, as JSON."""
    structural = set(description["structural"])
    return json.dumps({k: v for k, v in description["values"].items() if k in structural}, sort_keys=True)


@functools.lru_cache(maxsize=2)
def _read_weights(path: str) -> list[np.ndarray]:
    with np.load(path) as file:
        return [file[f"weight{i}"] for i in range(len(file.files))]


@functools.lru_cache(maxsize=2)
def _imagenet_weights(
    architecture: str, structure: str, sample_shape: tuple[int, ...], weights: str | None
) -> list[np.ndarray | None]:
    from tuning.initial_weights import backbone_weights

    model = build(architecture, json.loads(structure), sample_shape, 2)
    random = [weight.numpy() for weight in backbone_weights(model)]
    architectures.load(architecture).imagenet(model, weights)  # type: ignore[attr-defined]
    loaded = zip(random, [weight.numpy() for weight in backbone_weights(model)], strict=True)
    return [None if np.array_equal(before, value) else value for before, value in loaded]


def start_weights(
    description: dict[str, Any], sample_shape: tuple[int, ...]
) -> Sequence[np.ndarray | None] | None:
    """The weights a training starts from, all but the head's; None for random ones."""
    source = description["transfer"].removesuffix(FROZEN)
    if source == "phantom":
        return _read_weights(str(Path(description["folder"]) / description["start"]))
    if source == "imagenet":
        return _imagenet_weights(
            description["architecture"],
            structure_of(description),
            tuple(sample_shape),
            description["weights"],
        )
    return None
