"""Networks that know nothing but generated images: trained once, saved with their preprocessing."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from bench.data.caches.cached_dataset import open_cached
from bench.deploy import saved_network
from bench.tasks import Task
from bench.tasks.contract import pretraining
from bench.worker import arrays, programs
from tuning.seeds import seed_of
from tuning.space import defaults


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
    return saved_network.save(folder, program.model, facts)
