"""Timing of many calls, interleaved in rounds, so that a machine whose speed drifts treats all alike."""

import gc
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

# A call is given the number of the call, so that it can go round a few real inputs.
Call = Callable[[int], object]

WARM_UP_CALLS = 3
WARM_UP_SHARE = 0.1
SAMPLES = 8  # that a call at batch 1 goes round


@dataclass
class Timing:
    """Samples of one call: durations in milliseconds, a list for each round in which it was timed."""

    rounds_ms: list[list[float]] = field(default_factory=list)

    @property
    def round_medians_ms(self) -> list[float]:
        """The median of each round, in the order of the rounds."""
        return [float(np.median(samples)) for samples in self.rounds_ms]

    @property
    def median_ms(self) -> float:
        """The median over rounds of the medians within them.

        A burst of other load, or a time of low clock, spoils the rounds that it falls into, however many
        samples these have; while they are the minority the result does not move.
        """
        return float(np.median(self.round_medians_ms))

    @property
    def p95_ms(self) -> float:
        """The 95th percentile over the samples of all rounds: what a user waits one time in twenty."""
        return float(np.percentile([sample for samples in self.rounds_ms for sample in samples], 95))


def over_samples(predict: Callable[[np.ndarray], object], x: np.ndarray, batch: int) -> Call:
    """Make what is timed: batch 1 goes round a few samples, so that no input's luck decides."""
    inputs = [x[i : i + batch] for i in range(SAMPLES if batch == 1 else 1)]
    return lambda number: predict(inputs[number % len(inputs)])


def time_in_rounds(calls: Mapping[str, Call], seconds: float, rounds: int = 10) -> dict[str, Timing]:
    """Time every call a little in each of several rounds.

    Before the rounds every call is warmed up. Each round has an order of its own, so that none always follows
    the same other one; each call first runs once untimed, since the others have emptied the caches, and then
    until its slice of the time is used up. A call longer than its slice is timed in some of the rounds only.

    Each of the `calls`, by name, must read its result, or it times the queueing of work. `seconds` is the time for
    each over all `rounds`, 1 or more. Every call gets at least one sample, however long it takes.
    """
    timings = {name: Timing() for name in calls}
    spent = dict.fromkeys(calls, 0.0)
    estimates = {name: _warm_up(call, seconds * WARM_UP_SHARE) for name, call in calls.items()}
    order = list(calls)
    slice_seconds = seconds / rounds
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        for number in range(rounds):
            for name in random.Random(number).sample(order, len(order)):
                # What one round took too long the next makes up for, so that no call gets more than its time.
                left = slice_seconds * (number + 1) - spent[name]
                if left <= 0 and estimates[name] > slice_seconds:
                    continue
                start = time.perf_counter()
                if estimates[name] < slice_seconds / 3:
                    calls[name](number)
                timings[name].rounds_ms.append(_sample(calls[name], left - time.perf_counter() + start))
                spent[name] += time.perf_counter() - start
    finally:
        if collecting:
            gc.enable()
    return timings


def _warm_up(call: Call, seconds: float) -> float:
    """Run the call a few times, and on while there is time; return the shortest duration in seconds."""
    durations: list[float] = []
    used = 0.0
    # The first call allocates and plans, so a second one is worth its time unless it takes very long.
    while used < seconds or len(durations) < (WARM_UP_CALLS if used < 10 * seconds else 2):
        start = time.perf_counter()
        call(len(durations))
        durations.append(time.perf_counter() - start)
        used += durations[-1]
        if used > 100 * seconds:
            break
    return min(durations)


def _sample(call: Call, seconds: float) -> list[float]:
    samples = []
    begin = time.perf_counter_ns()
    number = 0
    while True:
        start = time.perf_counter_ns()
        call(number)
        end = time.perf_counter_ns()
        samples.append((end - start) / 1e6)
        number += 1
        if end - begin >= seconds * 1e9:
            return samples
