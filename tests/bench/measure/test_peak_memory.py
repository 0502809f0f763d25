"""Peak memory of blocks of known size."""

import numpy as np
import pytest

from bench.measure import memory
from bench.measure.memory import PeakMemory, release_memory, resident_bytes

MEGABYTE = 1_000_000


@pytest.mark.parametrize("kernel", [True, False])
def test_a_passing_block_is_seen(kernel, monkeypatch):
    if not kernel:
        monkeypatch.setattr(memory, "_reset_high_water_mark", lambda: False)
    release_memory()
    with PeakMemory() as peak:
        block = np.ones(100 * MEGABYTE, np.uint8)
        for _ in range(20):  # Long enough for a sampler to look.
            block += 1
        del block
    assert 95 * MEGABYTE < peak.bytes < 130 * MEGABYTE
    assert peak.total_bytes > peak.bytes


def test_an_earlier_peak_is_forgotten():
    block = np.ones(100 * MEGABYTE, np.uint8)
    del block
    release_memory()
    with PeakMemory() as peak:
        pass
    assert peak.bytes < 20 * MEGABYTE


def test_a_baseline_from_before_counts_what_is_held():
    release_memory()
    baseline = resident_bytes()
    held = np.ones(50 * MEGABYTE, np.uint8)
    with PeakMemory(baseline) as peak:
        pass
    assert peak.bytes > 45 * MEGABYTE
    assert held[0] == 1
