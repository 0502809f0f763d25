"""What training costs, timed alone: steps of a network, the fit of a reference."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from bench.measure.energy import EnergyMeter
from bench.measure.memory import PeakMemory, release_memory
from bench.worker import arrays
from bench.worker.references import REFERENCES, probabilities
from tuning.runtime import device
from tuning.training import steps_a_call, steps_per_epoch


def network(
    description: dict[str, Any],
    program,
    recipe,
    x,
    y,
    seen: np.ndarray,
    before: tuple[Callable[[], object], int] | None = None,
) -> dict[str, Any]:
    """Time training steps on real batches, as many in a call as a training takes.

    `before`: a part of what a training needs once before its first step, and how many of these parts there are.

    Returns
    -------
    step_seconds : median of a step; `epoch_seconds`: that many steps, without tracing.
    training_seconds : those of all epochs, and `before_seconds`, which `before` takes in all.
    tracing_seconds : what this process's first call of the graph cost beyond its steps, alone or not.
    memory_bytes : peak resident memory of this process while it trained, TensorFlow and data included.
    energy_joules, energy_method : of the whole training, from that of what was timed.
    """
    rng = np.random.default_rng(0)
    steps = steps_per_epoch(y[seen], recipe, int(y.max()) + 1)
    in_a_call = min(steps_a_call(x.shape[1:], recipe.batch_size), steps)
    n = recipe.batch_size * in_a_call
    take = rng.choice(seen, n, replace=len(seen) < n)
    images, labels = np.asarray(x[np.sort(take)], np.float32), y[np.sort(take)]
    weights = np.ones(len(take), np.float32)
    program.reset(description["seed"], recipe.settings, steps * recipe.epochs)
    program.run(images, labels, weights, recipe.batch_size)
    samples: list[float] = []
    release_memory()  # of making the graph
    deadline = time.perf_counter() + description["measure_seconds"]
    with PeakMemory() as memory, EnergyMeter() as energy:
        while len(samples) < 3 or (time.perf_counter() < deadline and len(samples) < 100):
            started = time.perf_counter()
            program.run(images, labels, weights, recipe.batch_size)
            samples.append((time.perf_counter() - started) / in_a_call)
    step = float(np.median(samples))
    joules = energy.joules / (len(samples) * in_a_call) * steps * recipe.epochs
    before_seconds = 0.0
    if before:
        part, parts = before
        part()  # traces
        with EnergyMeter() as meter:
            part()
        before_seconds, joules = meter.seconds * parts, joules + meter.joules * parts
    gpu_unread = device() != "processor" and "NVML" not in energy.method
    return {
        "step_seconds": step,
        "epoch_seconds": step * steps,
        "before_seconds": before_seconds,
        "training_seconds": before_seconds + step * steps * recipe.epochs,
        "tracing_seconds": max(program.first_call_seconds - step * in_a_call, 0.0),
        "epochs": recipe.epochs,
        "steps": steps * recipe.epochs,
        "batch_size": recipe.batch_size,
        "device": device(),
        "samples": [round(value, 7) for value in samples],
        "memory_bytes": memory.total_bytes,
        "energy_joules": joules,
        "energy_method": energy.method + (", without the GPU" if gpu_unread else ""),
    }


def reference(
    description: dict[str, Any], task, dataset, headers: list[dict], x, seen: np.ndarray
) -> dict[str, Any]:
    """Time one fit of the settings chosen, and answers to single images, making its features included.

    Returns `training_seconds` of the fit; `inference_ms` and `inference_p95_ms` of one image, NumPy to NumPy.
    """
    method, y = REFERENCES[description["candidate"]], dataset.y
    features = arrays.reference_inputs(description, method.features)
    estimator = method.make(description["seed"], **description["values"])
    started = time.perf_counter()
    estimator.fit(features[seen], y[seen])
    fit = time.perf_counter() - started
    n_classes = len(dataset.classes)
    samples: list[float] = []
    deadline = time.perf_counter() + description["measure_seconds"]
    while len(samples) < 21 or (time.perf_counter() < deadline and len(samples) < 500):
        place = len(samples) % len(x)
        one = slice(place, place + 1)
        started = time.perf_counter()
        if method.features is None:
            found = np.asarray(x[one], np.float32).reshape(1, -1)
        else:
            found = task.features(method.features, dataset.x[one], headers[one])
        probabilities(estimator, found, n_classes)
        samples.append(1000 * (time.perf_counter() - started))
    warm = samples[1:]
    return {
        "training_seconds": fit,
        "inference_ms": float(np.median(warm)),
        "inference_p95_ms": float(np.percentile(warm, 95)),
    }
