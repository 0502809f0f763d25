"""Networks that leave the house: trained once on generated images, saved with their preprocessing, applied.

A saved network is a folder with `model.keras` and `model.json`: task, classes, preprocessing, and how it
was trained. It takes any input that the task's readers know.
"""

import csv
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import architectures
from bench.data.caches.cached_dataset import open_cached
from bench.data.formats import kind_of
from bench.errors import UserError
from bench.tasks import Task
from bench.tasks.contract import pretraining
from bench.worker import arrays, programs
from tuning.seeds import seed_of
from tuning.space import defaults

MODEL, FACTS = "model.keras", "model.json"
_BLOCK = 64


def pretrain(
    task: Task,
    folder: Path,
    cache: Path,
    *,
    architecture: str,
    classes: tuple[str, ...],
    samples: int,
    epochs: int,
    preprocessing: dict[str, Any],
    seed: int = 0,
    say=print,
) -> Path:
    """Train an architecture's default network on the task's generated images and save it.

    Parameters
    ----------
    folder : where the network is saved; made if it is not there.
    cache : folder of cached datasets.
    classes : what it learns to tell apart, names that the task's generator knows.
    preprocessing : replaces choices of the task's own.

    Raises
    ------
    UserError : a task without a generator, unknown classes.
    """
    from tuning import runtime, training

    runtime.configure()
    data = pretraining.pretraining(task, cache, classes, samples, say)
    dataset = open_cached(data)
    chosen = {**task.preprocessing, **preprocessing}
    x = arrays.prepared(str(data), task.name, json.dumps(chosen, sort_keys=True))
    description = {
        "architecture": architecture,
        "structural": [],
        "values": {**defaults(task.training_space), **task.pretraining_values},
        "augmentation": list(task.augmentation),
        "epochs": epochs,
    }
    program, recipe = programs.program_for(description, x.shape[1:], len(dataset.classes))
    order = np.random.default_rng(seed_of(task.name, "pretrain", seed)).permutation(len(x))
    held, seen = np.sort(order[: len(x) // 20]), np.sort(order[len(x) // 20 :])
    history = training.train(
        program,
        training.Samples(x, dataset.y, seen),
        recipe,
        seed_of(task.name, architecture, "pretrain", seed),
        len(dataset.classes),
        validation=training.Samples(x, dataset.y, held),
        on_epoch=lambda record: say(
            f"epoch {record['epoch']} of {epochs}: loss {record['loss']:.4f}, "
            f"accuracy on held-out generated images {record['val_accuracy']:.4f}"
        ),
    )
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f"tmp-{os.getpid()}.keras"
    program.model.save(temporary)
    os.replace(temporary, folder / MODEL)
    facts = {
        "task": task.name,
        "architecture": architecture,
        "classes": list(dataset.classes),
        "preprocessing": chosen,
        "provenance": dataset.provenance,
        "samples": len(seen),
        "history": history,
        "seed": seed,
    }
    (folder / FACTS).write_text(json.dumps(facts, indent=1) + "\n")
    return folder


def predict(task: Task, model: Path, source: Path, output: Path) -> int:
    """Apply a saved network to files and write a CSV: path, predicted class, probability of each class.

    Parameters
    ----------
    model : a folder that `pretrain` wrote.
    source : a file, a DICOM series folder, or a folder that is searched for both.
    output : the CSV.

    Returns
    -------
    How many inputs there were.

    Raises
    ------
    UserError : no such model, another task's, or nothing to read.
    """
    facts = read_facts(model, task)
    files = list(find_inputs(source))
    if not files:
        raise UserError(
            f"--input {source}: found no image; expected PNG, NIfTI, Analyze, DICOM or .npy files"
        )
    from tuning import runtime

    runtime.configure()
    for name in architectures.names():  # registers their layers with Keras
        architectures.load(name)
    import keras

    try:
        network = keras.saving.load_model(model / MODEL, compile=False, safe_mode=True)
    except Exception as error:  # a damaged file makes Keras raise many kinds
        what = " ".join(str(error).split())[:200]
        raise UserError(
            f"{model / MODEL}: found a damaged network ({what}); expected Keras' format"
        ) from error
    stored = task.read(files, facts["preprocessing"])
    rows = []
    for start in range(0, len(files), _BLOCK):
        x = task.prepare(stored[start : start + _BLOCK], facts["preprocessing"])
        logits = np.asarray(network(x.reshape(-1, *network.input_shape[1:]), training=False), np.float64)
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        rows.append(exponentials / exponentials.sum(axis=1, keepdims=True))
    probabilities = np.concatenate(rows)
    with open(output, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "predicted", *facts["classes"]])
        for path, row in zip(files, probabilities, strict=True):
            writer.writerow([path, facts["classes"][row.argmax()], *(f"{value:.6f}" for value in row)])
    return len(files)


def read_facts(model: Path, task: Task) -> dict[str, Any]:
    """Read what a saved network is.

    Raises
    ------
    UserError : there is none, or it is another task's.
    """
    try:
        facts = json.loads((model / FACTS).read_text())
    except (OSError, ValueError):
        raise UserError(
            f"--model {model}: found no saved network; expected a folder with {MODEL} and {FACTS}"
        ) from None
    if facts["task"] != task.name:
        raise UserError(f"--model {model}: found a network for {facts['task']}; expected one for {task.name}")
    return facts


def find_inputs(source: Path) -> Iterator[Path]:
    """Yield the readable inputs below a path, sorted; a folder of DICOM files without folders is a series.

    Raises
    ------
    UserError : no such path.
    """
    if not source.exists():
        raise UserError(f"--input {source}: found no such file or folder; expected images")
    if source.is_file():
        yield source
        return
    entries = sorted(path for path in source.iterdir() if not path.name.startswith("."))
    for path in entries:
        if path.is_dir() and kind_of(path) == "dicom" and not any(p.is_dir() for p in path.iterdir()):
            yield path
        elif path.is_dir():
            yield from find_inputs(path)
        elif kind_of(path) is not None and path.suffix.lower() not in (".img", ".csv"):
            yield path
