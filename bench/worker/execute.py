"""What a worker does with a piece of work: open, train, hand back numbers. Stateless; it may die at any time.

A description is a small JSON-ready dict. The arrays it speaks of are opened here, from the cache.
"""

import errno
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from bench import tasks
from bench.data.splits import inner_parts
from bench.evaluate import metrics
from bench.evaluate.weighted_metrics import pooled
from bench.measure.saved_models import count_parameters
from bench.worker import arrays, programs, spaces, timing
from bench.worker.files import Progress, Stopped, save, save_predictions
from bench.worker.references import REFERENCES, probabilities
from tuning import runtime, training

# What a machine does to a piece, by name where only TensorFlow or the data has the class.
_ENVIRONMENT = (OSError, MemoryError, ImportError)
_ENVIRONMENT_NAMES = {
    "ChangedFile",
    "DamagedCacheError",
    "InternalError",  # of the GPU's libraries
    "MissingWeights",
    "ResourceExhaustedError",
    "UnavailableError",
    "UnknownError",
}
_OF_A_GRAPH = "Graph execution error"
_FULL = {errno.ENOSPC: "no space left", errno.EDQUOT: "quota used up", errno.EROFS: "read-only"}


def run(description: dict[str, Any]) -> dict[str, Any]:
    """Carry out a piece of work.

    Returns one of `{"result": ...}`, `{"failed": reason, "environment": whether that caused it}`, `{"stopped":
    True}`, `{"fatal": text}`; the last where nothing can be written any more, so that to go on with other pieces
    makes no sense.
    """
    try:
        Path(description["folder"]).stat()  # a machine without the mount must not make one of its own
        programs.require_unchanged(description)
        return {"result": _KINDS[description["kind"]](description)}
    except Stopped:
        return {"stopped": True}
    except OSError as error:
        if "no space left" in str(error).lower():  # HDF5 raises it without a number
            return {"fatal": f"{description['folder']}: cannot write (no space left)"}
        path, folder = str(error.filename or ""), description["folder"]
        forbidden = isinstance(error, PermissionError) and path.startswith(str(folder))  # others are read
        if error.errno in _FULL or forbidden:
            return {
                "fatal": f"{path or folder}: cannot write ({_FULL.get(error.errno or 0, 'permission denied')})"
            }
        return _failure(error)
    except Exception as error:
        return _failure(error)
    finally:
        # Or each worker would come to hold every version of the data that it has seen, and what its largest took.
        arrays.release()
        runtime.give_back_freed_memory()


def _failure(error: Exception) -> dict[str, Any]:
    name = type(error).__name__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [""]
    # TensorFlow's errors of a graph begin with where, and end with what and the node.
    what = (
        next((x for x in reversed(lines) if x[0] != "["), "")
        if lines[0].startswith(_OF_A_GRAPH)
        else lines[0]
    )
    reason = (what if name in ("ChangedFile", "MissingWeights") else f"{name}: {what}").strip()[:300]
    if name in ("MemoryError", "ResourceExhaustedError"):
        reason = f"out of memory ({reason})"
    environment = isinstance(error, _ENVIRONMENT) or name in _ENVIRONMENT_NAMES
    return {"failed": reason, "environment": environment, "traceback": traceback.format_exc()[-4000:]}


def _open(description: dict[str, Any]):
    """Dataset, fold, and samples as what learns sees them: features, where that is the head alone."""
    with Progress(description).preparing():
        opened, fold, x = arrays.open_inputs(description)
        if programs.is_frozen(description):
            from bench.worker import frozen

            x = frozen.features(description)
    return opened, fold, x


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
    with Progress(description).preparing():
        x = arrays.open_samples(description)
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
        "parameters": count_parameters(network),
        "input_shape": list(network.input_shape[1:]),
    }


def _reference(description: dict[str, Any]) -> dict[str, Any]:
    """Choose a classical method's settings as a search does, by inner folds or on validation; fit on all, test."""
    # A fit says nothing until it is done; its sums must not hang on the number of cores.
    with Progress(description).preparing(), threadpool_limits(1):
        return _fitted(description)


def _fitted(description: dict[str, Any]) -> dict[str, Any]:
    reference = REFERENCES[description["candidate"]]
    opened, fold = arrays.open_fold(description)
    features = arrays.reference_inputs(description, reference.features)
    n_classes, y, metric = len(opened.classes), opened.y, description["metric"]
    splits = description["splits"]
    parts = [inner_parts(opened, fold, splits, index) for index in range(splits.get("inner", 1))]
    started = time.perf_counter()
    scores, errors = [], []
    for settings in reference.grid:
        answers = []
        try:
            for train, validation in parts:
                estimator = reference.make(description["seed"], **settings)
                estimator.fit(features[train], y[train])
                answers.append((y[validation], probabilities(estimator, features[validation], n_classes)))
        except ValueError as error:  # more neighbours than subjects, say: other settings may do
            errors.append(error)
        scores.append(pooled(metric, answers) if len(answers) == len(parts) else np.nan)
    finite = [i for i, score in enumerate(scores) if np.isfinite(score)]
    if not finite:
        undefined = ArithmeticError(f"{metric} is not defined on these validation subjects")
        raise errors[0] if errors else undefined
    best = max(finite, key=lambda i: metrics.sign(metric) * scores[i])
    estimator = reference.make(description["seed"], **reference.grid[best])
    seen = np.sort(np.concatenate([fold.train, fold.validation]))
    estimator.fit(features[seen], y[seen])
    predicted = probabilities(estimator, features[fold.test], n_classes)
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
    if not programs.is_frozen(description):
        return timing.network(description, program, recipe, x, opened.y, seen)
    from bench.worker import frozen

    return timing.network(
        description, program, recipe, x, opened.y, seen, frozen.extraction(description, seen)
    )


_KINDS = {
    "space": spaces.find,
    "pretrain": _pretrain,
    "stage": _stage,
    "refit": _refit,
    "ablation": _refit,
    "reference": _reference,
    "timing": _timing,
}
