"""What a worker does with a piece of work: open, train, hand back numbers. Stateless; it may die at any time.

A description is a small JSON-ready dict. The arrays it speaks of are opened here, from the cache.
"""

import errno
import functools
import json
import os
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np

_FULL = {errno.ENOSPC: "no space left", errno.EDQUOT: "quota used up", errno.EROFS: "read-only"}


class Stopped(Exception):
    """The sweep asked for an orderly end; the checkpoint holds everything up to the last epoch."""


def run(description: dict[str, Any]) -> dict[str, Any]:
    """Carry out a piece of work.

    Returns
    -------
    One of `{"result": ...}`, `{"failed": reason}`, `{"stopped": True}`, `{"fatal": text}`; the last where
    nothing can be written any more, so that to go on with other pieces makes no sense.
    """
    try:
        return {"result": _KINDS[description["kind"]](description)}
    except Stopped:
        return {"stopped": True}
    except OSError as error:
        if error.errno in _FULL or isinstance(error, PermissionError):
            path = error.filename or description["folder"]
            return {"fatal": f"{path}: cannot write ({_FULL.get(error.errno or 0, 'permission denied')})"}
        return _failure(error)
    except MemoryError:
        return {"failed": "out of memory"}
    except Exception as error:
        return _failure(error)


def _failure(error: Exception) -> dict[str, Any]:
    reason = f"{type(error).__name__}: {error}".strip().splitlines()[0][:300]
    if type(error).__name__ == "ResourceExhaustedError":
        reason = f"out of memory ({reason})"
    return {"failed": reason, "traceback": traceback.format_exc()[-4000:]}


class Progress:
    """Tells the sweep how far a piece is, by a small file, and hears from it whether to stop."""

    def __init__(self, description: dict[str, Any]) -> None:
        self._path = Path(description["work"] + ".progress")
        self._stop = Path(description["stop"])
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._write({"epoch": 0, "epochs": description.get("epochs"), "pid": os.getpid()})

    def epoch(self, record: dict) -> None:
        """Note a finished epoch.

        Raises
        ------
        Stopped : the sweep is to end.
        """
        self._write({**record, "pid": os.getpid()})
        if self._stop.exists():
            raise Stopped

    def _write(self, content: dict) -> None:
        temporary = self._path.with_name(f"{self._path.name}.{os.getpid()}.tmp")
        temporary.write_text(json.dumps(content))
        os.replace(temporary, self._path)


@functools.lru_cache(maxsize=2)
def _dataset(folder: str):
    from bench.data.cache import open_cached

    return open_cached(Path(folder))


@functools.lru_cache(maxsize=32)
def _fold(folder: str, fold: int, seed: int):
    from bench.data.splits import assert_disjoint, folds

    dataset = _dataset(folder)
    found = folds(dataset, fold + 1, seed)[fold]
    assert_disjoint(found, dataset.subjects)
    return found


@functools.lru_cache(maxsize=2)
def _prepared(folder: str, task: str, preprocessing: str) -> np.ndarray:
    from bench import tasks

    return tasks.load(task).prepare(_dataset(folder).x, json.loads(preprocessing))


def _inputs(description: dict[str, Any]):
    """Dataset, fold and prepared samples of a description."""
    folder = description["dataset"]
    preprocessing = json.dumps(description["preprocessing"], sort_keys=True)
    return (
        _dataset(folder),
        _fold(folder, description["fold"], description["folds_seed"]),
        _prepared(folder, description["task"], preprocessing),
    )


def _build(architecture: str, values: dict[str, Any], sample_shape: tuple[int, ...], n_classes: int):
    """A fresh model of an architecture with the structural values given."""
    import keras_tuner

    import architectures

    found = architectures.load(architecture)
    hp = keras_tuner.HyperParameters()
    hp.values = dict(values)
    shape = (int(np.prod(sample_shape)),) if found.input == "vector" else sample_shape
    return found.build(hp, shape, n_classes)


@functools.lru_cache(maxsize=4)
def _program(architecture: str, structure: str, sample_shape: tuple, n_classes: int, augmentation: tuple):
    """Programs are kept: the same structure is traced once in the life of a worker."""
    from tuning.augment import Augmentation
    from tuning.program import Program

    values = json.loads(structure)
    return Program(
        lambda: _build(architecture, values, sample_shape, n_classes),
        sample_shape,
        Augmentation(augmentation) if augmentation else None,
    )


def program_for(description: dict[str, Any], sample_shape: tuple, n_classes: int):
    """Return program and recipe of a description: structural values choose the one, the rest the other."""
    from tuning.training import Recipe

    structural = set(description["structural"])
    values = description["values"]
    structure = {name: value for name, value in values.items() if name in structural}
    training = {name: value for name, value in values.items() if name not in structural}
    program = _program(
        description["architecture"],
        json.dumps(structure, sort_keys=True),
        sample_shape,
        n_classes,
        tuple(description["augmentation"]),
    )
    return program, Recipe.from_values(training, description["epochs"])


def _space(description: dict[str, Any]) -> dict[str, Any]:
    """Find the hyperparameters of an architecture, structural and training."""
    import architectures
    from bench import tasks
    from tuning import space

    dataset = _dataset(description["dataset"])
    name = description["architecture"]
    found = architectures.load(name)
    x = tasks.load(description["task"]).prepare(dataset.x[:1], description["preprocessing"])
    shape = (int(np.prod(x.shape[1:])),) if found.input == "vector" else x.shape[1:]
    described = space.discover(
        lambda hp: found.build(hp, shape, len(dataset.classes)), tasks.load(description["task"]).training_space
    )
    return {**described, "title": found.title}


def _trial(description: dict[str, Any]) -> dict[str, Any]:
    """Train on the training part, score on the validation part."""
    from bench.evaluate import metrics
    from tuning import training

    dataset, fold, x = _inputs(description)
    started = time.perf_counter()
    parts = {name: training.Samples(x, dataset.y, getattr(fold, name)) for name in ("train", "validation")}
    program, history = _train(description, parts["train"], parts["validation"], len(dataset.classes))
    probabilities = training.predict(program, parts["validation"])
    y = parts["validation"].labels()
    return {
        "score": metrics.score(description["metric"], y, probabilities),
        "metrics": metrics.all_metrics(y, probabilities, dataset.classes),
        "values": description["values"],
        "epochs": len(history),
        "history": _rounded(history),
        "seconds": round(time.perf_counter() - started, 3),
        "parameters": program.model.count_params(),
    }


def _refit(description: dict[str, Any]) -> dict[str, Any]:
    """Train on training and validation parts with another seed, test on subjects no decision has seen."""
    from tuning import training

    dataset, fold, x = _inputs(description)
    started = time.perf_counter()
    seen = training.Samples(x, dataset.y, np.sort(np.concatenate([fold.train, fold.validation])))
    program, history = _train(description, seen, None, len(dataset.classes))
    probabilities = training.predict(program, training.Samples(x, dataset.y, fold.test))
    files = {"predictions": _save_predictions(description, dataset, fold.test, probabilities)}
    if description.get("model"):
        files["model"] = _save_model(description, program)
    return {
        "metrics": _metrics(dataset, fold.test, probabilities),
        "values": description["values"],
        "epochs": len(history),
        "history": _rounded(history),
        "seconds": round(time.perf_counter() - started, 3),
        "parameters": program.model.count_params(),
        "input_shape": list(program.model.input_shape[1:]),
        "files": files,
    }


def _train(description: dict[str, Any], seen, validation, n_classes: int):
    from tuning import training

    progress = Progress(description)
    program, recipe = program_for(description, seen.x.shape[1:], n_classes)
    checkpoint = training.Checkpoint(Path(description["work"] + ".npz"))
    history = training.train(
        program,
        seen,
        recipe,
        description["seed"],
        n_classes,
        validation=validation,
        checkpoint=checkpoint,
        on_epoch=progress.epoch,
    )
    return program, history


def _reference(description: dict[str, Any]) -> dict[str, Any]:
    """Choose a classical method's settings on validation, fit on both parts, test."""
    from bench.evaluate import metrics
    from bench.references import REFERENCES, probabilities

    Progress(description)
    dataset, fold, x = _inputs(description)
    reference = REFERENCES[description["candidate"]]
    n_classes, features = len(dataset.classes), np.asarray(x, np.float32).reshape(len(x), -1)
    started = time.perf_counter()
    y = dataset.y
    scores = []
    for settings in reference.grid:
        estimator = reference.make(description["seed"], **settings)
        estimator.fit(features[fold.train], y[fold.train])
        found = probabilities(estimator, features[fold.validation], n_classes)
        scores.append(metrics.score(description["metric"], y[fold.validation], found))
    best = int(np.argmax(np.array(scores) * (1 if metrics.direction(description["metric"]) == "max" else -1)))
    estimator = reference.make(description["seed"], **reference.grid[best])
    seen = np.sort(np.concatenate([fold.train, fold.validation]))
    estimator.fit(features[seen], y[seen])
    predicted = probabilities(estimator, features[fold.test], n_classes)
    return {
        "title": reference.title,
        "score": scores[best],
        "metrics": _metrics(dataset, fold.test, predicted),
        "values": reference.grid[best],
        "grid": [{"values": s, "score": v} for s, v in zip(reference.grid, scores, strict=True)],
        "seconds": round(time.perf_counter() - started, 3),
        "files": {"predictions": _save_predictions(description, dataset, fold.test, predicted)},
    }


def _timing(description: dict[str, Any]) -> dict[str, Any]:
    """Time a winner's training steps, or a reference's fit and answers, with nothing else running."""
    from bench import timing

    dataset, fold, x = _inputs(description)
    seen = np.sort(np.concatenate([fold.train, fold.validation]))
    if description["reference"]:
        return timing.reference(description, x, dataset.y, seen)
    program, recipe = program_for(description, x.shape[1:], len(dataset.classes))
    return timing.network(description, program, recipe, x, dataset.y, seen)


def _metrics(dataset, indices: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    from bench.evaluate import metrics

    return metrics.all_metrics(dataset.y[indices], probabilities, dataset.classes)


def _rounded(history: list[dict]) -> list[dict]:
    return [{name: round(value, 5) for name, value in record.items()} for record in history]


def _save_predictions(description, dataset, indices: np.ndarray, probabilities: np.ndarray) -> dict:
    return _save(
        description,
        "predictions",
        ".npz",
        lambda path: np.savez(
            path,
            y=dataset.y[indices],
            probabilities=probabilities,
            subjects=dataset.subjects[indices].astype(str),
            indices=indices,
        ),
    )


def _save_model(description, program) -> dict:
    return _save(description, "models", ".keras", lambda path: program.model.save(path))


def _save(description, kind: str, suffix: str, write) -> dict[str, Any]:
    """Write a file under a temporary name, then rename it; the journal will name it with its hash."""
    from bench.data.download import sha256_of

    relative = Path(kind) / (description["piece"].replace("/", "-") + suffix)
    path = Path(description["folder"]) / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"tmp-{os.getpid()}-{path.name}")
    write(temporary)
    with open(temporary, "rb") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)
    return {"path": str(relative), "sha256": sha256_of(path), "bytes": path.stat().st_size}


_KINDS = {"space": _space, "trial": _trial, "refit": _refit, "reference": _reference, "timing": _timing}
