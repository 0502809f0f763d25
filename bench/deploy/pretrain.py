"""Networks that know nothing but generated images: trained once, saved with their preprocessing."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

import architectures
import tuning
from bench.data.caches.cached_dataset import open_cached
from bench.data.caches.source_digest import code_digest, with_parts
from bench.deploy import saved_network
from bench.deploy.calibration import fit_temperature
from bench.errors import UserError
from bench.measure.environment import package_version
from bench.tasks import Task
from bench.tasks.contract.datasets import pretraining
from bench.tasks.contract.plug_ins import fault
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
) -> Path:
    """Train an architecture's default network on the task's generated images and save it, calibrated.

    Of several networks (`Task.alone_networks`) each has its share of the epochs, and first weights of its
    own. `folder` is where they are saved, `cache` that of cached datasets, and of checkpoints, from which the same
    call goes on; `classes` are names that the task's generator knows; `epochs` those of all networks together;
    `preprocessing` replaces choices of the task's own.

    Raises UserError: a task without a generator, unknown classes, an architecture that cannot be built.
    """
    from tuning import runtime

    runtime.configure()
    import keras

    from tuning import training

    data = pretraining(task, cache, classes, samples, print)
    dataset = open_cached(data)
    chosen = {**task.preprocessing, **preprocessing}
    x = arrays.prepared(str(data), task.reference, json.dumps(chosen, sort_keys=True))
    description = {
        "architecture": architecture,
        "structural": [],
        "values": {**defaults(task.training_space), **task.pretraining_values},
        "augmentation": list(task.augmentation),
        "epochs": max(epochs // task.alone_networks, 1),
    }
    try:
        program, recipe = programs.program_for(description, x.shape[1:], len(dataset.classes))
    except Exception as error:
        raise UserError(fault("ARCH", architecture, error)) from error
    code = with_parts(architectures.file_of(architecture), architectures.FOLDER)
    code += sorted(Path(tuning.__file__).parent.glob("*.py"))
    versions = [package_version(name) for name in ("tensorflow", "keras", "numpy")]
    made_of = [description, seed, data.name, chosen, task.digest(), code_digest(code), *versions]
    digest = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:12]
    checkpoints = cache / f"{task.name}-pretrain-{digest}"
    order = np.random.default_rng(seed_of(task.name, "pretrain", seed)).permutation(len(x))
    held, seen = np.sort(order[: len(x) // 20]), np.sort(order[len(x) // 20 :])
    unseen = training.Samples(x, dataset.y, held)
    networks, histories, probabilities = [], [], []
    for number in range(1, task.alone_networks + 1):

        def on_epoch(record: dict[str, Any], number: int = number) -> None:
            held = "accuracy on held-out generated images"
            scored = f", {held} {record['val_accuracy']:.4f}" if "val_accuracy" in record else ""
            epoch = f"epoch {record['epoch']} of {recipe.epochs}"
            print(f"network {number} of {task.alone_networks}, {epoch}: loss {record['loss']:.4f}{scored}")

        checkpoint = training.Checkpoint(checkpoints / f"{number}.npz")
        history = training.train(
            program,
            training.Samples(x, dataset.y, seen),
            recipe,
            seed_of(task.name, architecture, "pretrain", seed, number),
            len(dataset.classes),
            validation=unseen,
            checkpoint=checkpoint,
            on_epoch=on_epoch,
        )
        checkpoint.save(program.state(), history)  # also of one that is done, while others are not
        histories.append(history)
        probabilities.append(training.predict(program, unseen))
        networks.append(keras.models.clone_model(program.model))  # the program is kept for the next
        networks[-1].set_weights(program.model.get_weights())
    temperature = fit_temperature(dataset.y[held], np.mean(probabilities, axis=0), dataset.subjects[held])
    facts = {
        "task": task.name,
        "architecture": architectures.file_of(architecture).stem,
        "classes": list(dataset.classes),
        "preprocessing": chosen,
        **saved_network.code_of(task),
        "provenance": dataset.provenance,
        "samples": len(seen),
        "history": histories,
        "temperature": temperature,
        "seed": seed,
    }
    saved = saved_network.save(folder, networks, facts)
    shutil.rmtree(checkpoints, ignore_errors=True)
    return saved
