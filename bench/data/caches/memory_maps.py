"""Memory maps that are larger than what a sweep may hold: read in order, and given back on the way."""

import mmap
from collections.abc import Iterator

import numpy as np

_BLOCK_BYTES = 32 * 2**20


def blocks(x: np.ndarray) -> Iterator[slice]:
    """Divide the samples into blocks of some 32 MiB."""
    size = max(1, int(np.prod(x.shape[1:])) * 4)
    step = max(1, _BLOCK_BYTES // size)
    for start in range(0, len(x), step):
        yield slice(start, start + step)


def passing(x: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the samples of `x` in order; of a memory map, what has been read is given back block by block."""
    for block in blocks(x):
        yield from x[block]
        release(x)


def release(x: np.ndarray) -> None:
    """Give back the pages of a read-only memory map; what is needed again is read again. Else nothing."""
    mapped = getattr(x, "_mmap", None)
    if isinstance(mapped, mmap.mmap) and hasattr(mapped, "madvise") and not x.flags.writeable:
        mapped.madvise(mmap.MADV_DONTNEED)
