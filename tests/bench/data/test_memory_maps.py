"""Maps are read in order and give their pages back, and what they hold stays what it was."""

import sys

import numpy as np
import pytest

from bench.data.caches.memory_maps import blocks, passing, release
from bench.measure.memory import resident_bytes

_MIB = 2**20


def test_blocks_cover_everything_once():
    x = np.broadcast_to(np.float32(0), (100, 64, 64, 64))  # a mebibyte each
    found = list(blocks(x))
    assert [block.stop - block.start for block in found] == [32] * 4
    assert np.array_equal(np.concatenate([np.arange(100)[block] for block in found]), np.arange(100))


def test_what_is_given_back_can_be_read_again(tmp_path):
    x = np.random.default_rng(0).random((70, 64, 64, 64), dtype=np.float32)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    kept = []
    for index, sample in enumerate(passing(mapped)):
        kept.append(sample)
        assert sample[0, 0, 0] == x[index, 0, 0, 0]
    assert len(kept) == 70
    np.testing.assert_array_equal(kept[3], x[3])  # a view of pages that were given back
    release(mapped[10:20])
    np.testing.assert_array_equal(mapped[10:20], x[10:20])
    release(x)  # no map: nothing happens


@pytest.mark.skipif(sys.platform != "linux", reason="others take the pages back when they like")
def test_a_large_map_does_not_stay_resident(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((160, 64, 64, 64), np.float32))  # 160 MiB
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    before = resident_bytes()
    largest = max(resident_bytes() for sample in passing(mapped) if sample.sum())
    assert largest - before < 80 * _MIB
    assert mapped.sum() == mapped.size
    read = resident_bytes()
    assert read - before > 120 * _MIB
    release(mapped)
    assert read - resident_bytes() > 120 * _MIB


def test_a_map_that_is_written_to_keeps_what_was_written(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros(5000, np.float32))
    private = np.load(tmp_path / "x.npy", mmap_mode="c")
    private[:] = 1
    release(private)
    assert (private == 1).all()
