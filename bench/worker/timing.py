"""What training costs, timed alone: steps of a network, the fit of a reference."""

import time
from typing import Any

import numpy as np

from bench.measure.energy import EnergyMeter
from bench.measure.memory import PeakMemory
from bench.worker import arrays
from bench.worker.references import REFERENCES, probabilities
from tuning.runtime import device
from tuning.training import steps_per_epoch

_STEPS_A_CALL = 4


def network(description: dict[str, Any], program, recipe, x, y, seen: np.ndarray) -> dict[str, Any]:
    """Time training steps on real batches.

    Returns
    -------
    step_seconds : median of a step; `epoch_seconds`, `training_seconds`: that many steps, without tracing.
    tracing_seconds : what the first call cost beyond its steps.
    memory_bytes : peak resident memory of this process while it trained, TensorFlow and data included.
    energy_joules, energy_method : of the whole training, from that of the steps that were timed.
    """
    rng = np.random.default_rng(0)
    take = rng.choice(seen, recipe.batch_size * _STEPS_A_CALL, replace=len(seen) < recipe.batch_size * 4)
    images, labels = np.asarray(x[np.sort(take)], np.float32), y[np.sort(take)]
    weights = np.ones(len(take), np.float32)
    steps = steps_per_epoch(y[seen], recipe, int(y.max()) + 1)
    program.reset(description["seed"], recipe.settings, steps * recipe.epochs)
    started = time.perf_counter()
    program.run(images, labels, weights, recipe.batch_size)
    first = time.perf_counter() - started
    samples: list[float] = []
    deadline = time.perf_counter() + description["measure_seconds"]
    with PeakMemory() as memory, EnergyMeter() as energy:
        while len(samples) < 3 or (time.perf_counter() < deadline and len(samples) < 100):
            started = time.perf_counter()
            program.run(images, labels, weights, recipe.batch_size)
            samples.append((time.perf_counter() - started) / _STEPS_A_CALL)
    step = float(np.median(samples))
    return {
        "step_seconds": step,
        "epoch_seconds": step * steps,
        "training_seconds": step * steps * recipe.epochs,
        "tracing_seconds": max(first - step * _STEPS_A_CALL, 0.0),
        "epochs": recipe.epochs,
        "steps": steps * recipe.epochs,
        "batch_size": recipe.batch_size,
        "device": device(),
        "samples": [round(value, 7) for value in samples],
        "memory_bytes": memory.total_bytes,
        "energy_joules": energy.joules / (len(samples) * _STEPS_A_CALL) * steps * recipe.epochs,
        "energy_method": energy.method,
    }


def reference(
    description: dict[str, Any], task, dataset, headers: list[dict], x, seen: np.ndarray
) -> dict[str, Any]:
    """Time one fit of the settings chosen, and answers to single images, making its features included.

    Returns
    -------
    training_seconds : of the fit; inference_ms, inference_p95_ms : of one image, NumPy to NumPy.
    """
    method, y = REFERENCES[description["candidate"]], dataset.y
    features = arrays.reference_inputs(description, method.features, x)
    estimator = method.make(description["seed"], **description["values"])
    started = time.perf_counter()
    estimator.fit(features[seen], y[seen])
    fit = time.perf_counter() - started
    n_classes = len(dataset.classes)
    samples: list[float] = []
    deadline = time.perf_counter() + description["measure_seconds"]
    while len(samples) < 20 or (time.perf_counter() < deadline and len(samples) < 500):
        place = len(samples) % len(x)
        one = slice(place, place + 1)
        started = time.perf_counter()
        if method.features is None:
            found = np.asarray(x[one], np.float32).reshape(1, -1)
        else:
            found = task.features(method.features, dataset.x[one], headers[one])
        probabilities(estimator, found, n_classes)
        samples.append(1000 * (time.perf_counter() - started))
    return {
        "training_seconds": fit,
        "inference_ms": float(np.median(samples)),
        "inference_p95_ms": float(np.percentile(samples, 95)),
    }
