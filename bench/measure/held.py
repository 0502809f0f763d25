"""What a model holds and uses while it answers: memory and energy, in a process that has run nothing before."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bench.measure.energy import EnergyMeter
from bench.measure.fresh_process import Turn
from bench.measure.latency import SAMPLES, over_samples, time_in_rounds
from bench.measure.memory import PeakMemory, release_memory, resident_bytes
from bench.measure.runtimes import RUNTIMES
from bench.measure.saved_models import load_model, load_samples

_LEAST_CALLS = 10  # so that the steps of a counter of energy do not matter


def measure(model: str, samples: str, seconds: float, turn: Turn) -> dict[str, Any]:
    """Run a model in Keras at batch 1: its memory above an idle TensorFlow, and its energy.

    `model` and `samples` are paths of the `.keras` and the `.npy` file, `seconds` to measure energy for; that is
    done after `turn` (see `FreshProcess`).
    """
    _start_tensorflow()
    release_memory()
    baseline = resident_bytes()
    x = load_samples(samples, SAMPLES)
    network = load_model(model)
    call = over_samples(RUNTIMES["keras"].prepare(network, 1, 1, x.shape[1:]), x, 1)
    release_memory()  # loading needs more than running does: a file's copy of the weights
    with PeakMemory(baseline) as peak:
        for number in range(SAMPLES):
            call(number)
    turn()
    each = time_in_rounds({"": call}, seconds / 10, rounds=1)[""].median_ms / 1000
    calls = max(_LEAST_CALLS, int(seconds / each))
    with EnergyMeter() as meter:
        for number in range(calls):
            call(number)
    return {
        "status": "measured",
        "peak_memory_bytes": peak.bytes,
        "peak_memory_total_bytes": peak.total_bytes,
        "energy_1000_inferences_joules": meter.joules / calls * 1000,
        "energy_method": meter.method,
    }


def _start_tensorflow() -> None:
    """Run a tiny network, so that what TensorFlow itself needs to start is not the model's."""
    tiny = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(2, 3), keras.layers.Dense(2)])
    tf.function(lambda x: tiny(x, training=False))(np.zeros((1, 8, 8, 1), np.float32))
