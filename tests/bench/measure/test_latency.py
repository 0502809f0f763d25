"""Timing by rounds: order, budget, and medians that a spoilt round does not move."""

from collections import Counter
from itertools import groupby, pairwise

import numpy as np
import pytest

from bench.measure import latency
from bench.measure.latency import Timing, time_in_rounds


class Clock:
    """A clock that stands still but for what calls are said to take, so that no load can move a test."""

    def __init__(self):
        self.now_ns = 0

    def perf_counter(self) -> float:
        return self.now_ns / 1e9

    def perf_counter_ns(self) -> int:
        return self.now_ns

    def sleep(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(latency, "time", clock)
    return clock


def test_rounds_interleave_in_orders_of_their_own(clock):
    begun: list[str] = []

    def call(name):
        def run(number):
            begun.append(name)
            clock.sleep(0.002)

        return run

    timings = time_in_rounds({name: call(name) for name in "abcdef"}, seconds=0.1, rounds=10)
    assert all(len(timing.rounds_ms) == 10 for timing in timings.values())
    order = [name for name, _ in groupby(begun)]
    assert len(order) > 6 * 10
    assert max(Counter(pairwise(order)).values()) <= 6


def test_durations_are_milliseconds(clock):
    timings = time_in_rounds({"sleep": lambda _: clock.sleep(0.01)}, seconds=0.1, rounds=2)
    assert timings["sleep"].median_ms == timings["sleep"].p95_ms == 10.0


def test_a_long_call_skips_rounds_until_it_is_its_turn_again(clock):
    timings = time_in_rounds({"slow": lambda _: clock.sleep(0.05)}, seconds=0.1, rounds=10)
    # A slice is 10 ms: timed in the first round and again when five slices have gone by.
    assert len(timings["slow"].rounds_ms) == 2


def test_a_very_long_call_is_timed_once(clock):
    calls = []
    timings = time_in_rounds(
        {"slow": lambda n: (calls.append(n), clock.sleep(0.05))}, seconds=0.01, rounds=10
    )
    assert len(timings["slow"].rounds_ms) == 1
    assert len(calls) <= 3  # at most two to warm up


def test_median_ignores_a_round_with_many_slow_samples():
    steady = [[1.0, 1.1, 0.9]] * 4
    timing = Timing([*steady, [9.0] * 100])
    assert timing.median_ms == 1.0
    assert timing.p95_ms == 9.0


def test_p95_is_over_all_samples():
    samples = np.random.default_rng(0).gamma(2.0, size=(10, 50))
    assert Timing(samples.tolist()).p95_ms == np.percentile(samples, 95)
