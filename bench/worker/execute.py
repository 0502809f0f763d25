"""What a worker does with a piece of work: open, train, hand back numbers. Stateless; it may die at any time.

A description is a small JSON-ready dict. The arrays it speaks of are opened here, from the cache.
"""

import copy
import errno
import json
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np

import architectures
from bench import tasks
from bench.data.splits import inner_parts
from bench.evaluate import metrics
from bench.measure.memory import release_memory
from bench.tasks import FROZEN, Task
from bench.worker import arrays, programs, timing
from bench.worker.files import Progress, Stopped, save, save_predictions
from bench.worker.references import REFERENCES, probabilities
from tuning import runtime, space, training

# What a machine does to a piece, by name where only TensorFlow or the data has the class.
_ENVIRONMENT = (OSError, MemoryError, ImportError)
_ENVIRONMENT_NAMES = {
    "DamagedCacheError",
    "InternalError",  # of the GPU's libraries
    "MissingWeights",
    "ResourceExhaustedError",
    "UnavailableError",
    "UnknownError",
}
_FULL = {errno.ENOSPC: "no space left", errno.EDQUOT: "quota used up", errno.EROFS: "read-only"}


def run(description: dict[str, Any]) -> dict[str, Any]:
    """Carry out a piece of work.

    Returns
    -------
    One of `{"result": ...}`, `{"failed": reason, "environment": whether that caused it}`, `{"stopped": True}`,
    `{"fatal": text}`; the last where nothing can be written any more, so that to go on with other pieces makes
    no sense.
    """
    try:
        Path(description["folder"]).stat()  # a machine without the mount must not make one of its own
        return {"result": _KINDS[description["kind"]](description)}
    except Stopped:
        return {"stopped": True}
    except OSError as error:
        if "no space left" in str(error).lower():  # HDF5 raises it without a number
            return {"fatal": f"{description['folder']}: cannot write (no space left)"}
        if error.errno in _FULL or isinstance(error, PermissionError):
            path = error.filename or description["folder"]
            return {"fatal": f"{path}: cannot write ({_FULL.get(error.errno or 0, 'permission denied')})"}
        return _failure(error)
    except Exception as error:
        return _failure(error)
    finally:
        arrays.release()  # or each worker would come to hold every version of the data that it has seen


def _failure(error: Exception) -> dict[str, Any]:
    name = type(error).__name__
    reason = (str(error) if name == "MissingWeights" else f"{name}: {error}").strip().splitlines()[0][:300]
    if name in ("MemoryError", "ResourceExhaustedError"):
        reason = f"out of memory ({reason})"
    environment = isinstance(error, _ENVIRONMENT) or name in _ENVIRONMENT_NAMES
    return {"failed": reason, "environment": environment, "traceback": traceback.format_exc()[-4000:]}


class MissingWeights(Exception):
    """Transfer was asked for, and there is nothing to transfer from."""


def _space(description: dict[str, Any]) -> dict[str, Any]:
    """Find the hyperparameters of an architecture, structural and training.

    Transfer needs weights for each structure: its candidates keep to one, the architecture's default or,
    with weights from ImageNet, the original's; where the backbone never learns, one that ends in a head.
    """
    task = tasks.load(description["task"])
    opened = arrays.dataset(description["dataset"])
    architecture = architectures.load(description["architecture"])
    x = task.prepare(np.asarray(opened.x[:1]), description["preprocessing"])
    shape = programs.model_shape(architecture, x.shape[1:])
    transfer = description["transfer"].removesuffix(FROZEN)
    held = getattr(architecture, "imagenet_values", {}) if transfer == "imagenet" else {}
    if programs.is_frozen(description):
        held = held | getattr(architecture, "frozen_values", {})
    searches_structure = transfer == "scratch" and description["searches_structure"]
    described = space.discover(
        lambda hp: architecture.build(hp, shape, len(opened.classes)),
        _training_space(task, description),
        held=None if searches_structure else held,
        fixed=description["fixed"],
    )
    if transfer == "imagenet" and not hasattr(architecture, "imagenet"):
        raise ValueError(f"architectures/{architecture.name}.py has no `imagenet` that loads weights")
    if transfer == "imagenet":  # fails here, once, where there are no weights
        try:
            programs.start_weights({**description, **_default_values(described)}, x.shape[1:])
        except FileNotFoundError as error:
            file, fetch = str(error).split(":")[0], f"make data TASK={description['task']}"
            raise MissingWeights(
                f"{file} is neither in WEIGHTS nor in Keras' cache; `{fetch}` fetches it"
            ) from error
    return {**described, "title": architecture.title}


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


def _open(description: dict[str, Any]):
    """Dataset, fold, and samples as what learns sees them: features, where that is the head alone."""
    with Progress(description).preparing():
        opened, fold, x = arrays.open_inputs(description)
        if programs.is_frozen(description):
            from bench.worker import frozen

            x = frozen.features(description)
    return opened, fold, x


def _default_values(described: dict[str, Any]) -> dict[str, Any]:
    import keras_tuner

    values = keras_tuner.HyperParameters.from_config(copy.deepcopy(described["space"])).values
    return {"values": values, "structural": described["structural"]}


def _stage(description: dict[str, Any]) -> dict[str, Any]:
    """Train a trial up to a rung on the training part of an inner fold, score on its validation part."""
    opened, fold, x = _open(description)
    started = time.perf_counter()
    parts = inner_parts(opened, fold, description["splits"], description["inner"])
    seen, validation = (training.Samples(x, opened.y, part) for part in parts)
    program, history = _train(description, seen, validation, len(opened.classes))
    probabilities, y = training.predict(program, validation), validation.labels()
    score = metrics.score(description["metric"], y, probabilities)
    if not np.isfinite(score):
        raise ArithmeticError(f"{description['metric']} is not defined on these validation subjects")
    files = {}
    if description["until"] == description["epochs"]:  # what a choice, and calibration, rest on
        files["predictions"] = save_predictions(description, opened, validation.indices, probabilities)
    return {
        "score": score,
        "metrics": metrics.all_metrics(y, probabilities, opened.classes),
        **_trained(description, program, history, started),
        "proposed_epochs": description["proposed_epochs"],
        "files": files,
    }


def _refit(description: dict[str, Any]) -> dict[str, Any]:
    """Train on training and validation parts with another seed, test on subjects no decision has seen."""
    opened, fold, x = _open(description)
    started = time.perf_counter()
    seen = training.Samples(x, opened.y, np.sort(np.concatenate([fold.train, fold.validation])))
    program, history = _train(description, seen, None, len(opened.classes))
    probabilities = training.predict(program, training.Samples(x, opened.y, fold.test))
    files = {"predictions": save_predictions(description, opened, fold.test, probabilities)}
    if description.get("model"):
        files["model"] = save(
            description, "models", ".keras", programs.trained_network(description, program).save
        )
    return {
        "metrics": metrics.all_metrics(opened.y[fold.test], probabilities, opened.classes),
        **_trained(description, program, history, started),
        **description.get("ablation", {}),
        "files": files,
    }


def _pretrain(description: dict[str, Any]) -> dict[str, Any]:
    """Train a candidate's network on generated images and keep all of it but the head."""
    description = {**description, "transfer": "scratch"}
    opened = arrays.dataset(description["dataset"])
    preprocessing = json.dumps(description["preprocessing"], sort_keys=True)
    with Progress(description).preparing():
        x = arrays.prepared(description["dataset"], description["task"], preprocessing)
    started = time.perf_counter()
    held = np.random.default_rng(description["seed"]).permutation(len(x))
    parts = [training.Samples(x, opened.y, np.sort(part)) for part in np.split(held, [len(x) // 20])]
    validation, seen = parts
    program, history = _train(description, seen, validation, len(opened.classes))
    weights = {f"weight{i}": value for i, value in enumerate(program.backbone())}
    return {
        **_trained(description, program, history, started),
        "samples": len(seen),
        "classes": list(opened.classes),
        "files": {"weights": save(description, "weights", ".npz", lambda path: np.savez(path, **weights))},
    }


def _train(description: dict[str, Any], seen, validation, n_classes: int):
    progress = Progress(description)
    sample_shape = seen.x.shape[1:]
    program, recipe = programs.program_for(description, sample_shape, n_classes)
    history = training.train(
        program,
        seen,
        recipe,
        description["seed"],
        n_classes,
        validation=validation,
        start=None if programs.is_frozen(description) else programs.start_weights(description, sample_shape),
        checkpoint=training.Checkpoint(Path(description["checkpoint"])),
        until=description.get("until"),
        on_epoch=progress.epoch,
    )
    return program, history


def _trained(description: dict[str, Any], program, history: list[dict], started: float) -> dict[str, Any]:
    """What every training's result says."""
    network = programs.trained_network(description, program)
    return {
        "values": description["values"],
        "epochs": len(history),
        "history": [{name: round(value, 5) for name, value in record.items()} for record in history],
        "seconds": round(time.perf_counter() - started, 3),
        "device": runtime.device(),
        "parameters": network.count_params(),
        "input_shape": list(network.input_shape[1:]),
    }


def _reference(description: dict[str, Any]) -> dict[str, Any]:
    """Choose a classical method's settings on validation, fit on both parts, test."""
    reference = REFERENCES[description["candidate"]]
    with Progress(description).preparing():
        opened, fold, x = arrays.open_inputs(description)
        features = arrays.reference_inputs(description, reference.features, x)
    n_classes, y, metric = len(opened.classes), opened.y, description["metric"]
    started = time.perf_counter()
    scores = []
    for settings in reference.grid:
        estimator = reference.make(description["seed"], **settings)
        estimator.fit(features[fold.train], y[fold.train])
        found = probabilities(estimator, features[fold.validation], n_classes)
        scores.append(metrics.score(metric, y[fold.validation], found))
    finite = [i for i, score in enumerate(scores) if np.isfinite(score)]
    if not finite:
        raise ArithmeticError(f"{metric} is not defined on these validation subjects")
    best = max(finite, key=lambda i: metrics.sign(metric) * scores[i])
    estimator = reference.make(description["seed"], **reference.grid[best])
    seen = np.sort(np.concatenate([fold.train, fold.validation]))
    estimator.fit(features[seen], y[seen])
    predicted = probabilities(estimator, features[fold.test], n_classes)
    del features, estimator
    release_memory()  # of a decomposition of many volumes hundreds of megabytes
    return {
        "title": reference.title,
        "score": scores[best],
        "metrics": metrics.all_metrics(y[fold.test], predicted, opened.classes),
        "values": reference.grid[best],
        "grid": [{"values": reference.grid[i], "score": scores[i]} for i in finite],
        "seconds": round(time.perf_counter() - started, 3),
        "files": {"predictions": save_predictions(description, opened, fold.test, predicted)},
    }


def _timing(description: dict[str, Any]) -> dict[str, Any]:
    """Time a winner's training steps, or a reference's fit and answers, with nothing else running."""
    opened, fold, x = _open(description)
    seen = np.sort(np.concatenate([fold.train, fold.validation]))
    if description["reference"]:
        task = tasks.load(description["task"])
        return timing.reference(description, task, opened, arrays.headers(description["dataset"]), x, seen)
    program, recipe = programs.program_for(description, x.shape[1:], len(opened.classes))
    return timing.network(description, program, recipe, x, opened.y, seen)


_KINDS = {
    "space": _space,
    "pretrain": _pretrain,
    "stage": _stage,
    "refit": _refit,
    "ablation": _refit,
    "reference": _reference,
    "timing": _timing,
}
